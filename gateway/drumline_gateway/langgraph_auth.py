"""The `Auth` object of langgraph_sdk: who asks and what they may, as its handlers say.

It is told by its form, so langgraph_sdk is not needed here: whoever made the object has it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request

from drumline.settings import UsageError
from drumline_gateway.callers import Identity, Refused, User, forbidden
from drumline_gateway.owners import Filter
from drumline_graph.loaded import loaded

#: what langgraph_sdk lets a server read of the object
_PARTS = ("_authenticate_handler", "_handlers", "_global_handlers")


class LangGraphAuth:
    """Asks an `Auth` object. UsageError for an object that is none."""

    def __init__(self, auth: Any) -> None:
        if not all(hasattr(auth, part) for part in _PARTS):
            raise UsageError(f"{auth!r} is no Auth object of langgraph_sdk")
        self._auth = auth
        self._asked: tuple[str, ...] | None = None

    @property
    def authenticates(self) -> bool:
        """Whether it says who asks."""
        return self._auth._authenticate_handler is not None

    @property
    def authorizes(self) -> bool:
        """Whether it says what they may."""
        return bool(self._auth._handlers or self._auth._global_handlers or self.authenticates)

    async def authenticate(self, request: Request) -> Any:
        """What its handler says of a request. Refused, as the handler's HTTPException says."""
        handler = self._auth._authenticate_handler
        if self._asked is None:
            self._asked = tuple(inspect.signature(handler).parameters)
        known = _of_request(request)
        try:
            said = handler(**{name: known[name] for name in self._asked if name in known})
            return await said if inspect.isawaitable(said) else said
        except Exception as error:
            raise _refusal(error) from error

    async def authorize(self, identity: Identity, resource: str, action: str, value: dict[str, Any]) -> Filter | None:
        """What the most special handler says; without one all may. Refused (403, or as the handler says)."""
        handler = self._handler(resource, action)
        if handler is None:
            return None
        try:
            said = await handler(ctx=_context(identity, resource, action), value=value)
        except Exception as error:
            raise _refusal(error) from error
        if said is False:
            raise forbidden(f"Forbidden: {action} of {resource}")
        if said is None or said is True:
            return None
        if not isinstance(said, Mapping):
            raise TypeError(
                f"the handler of {resource}.{action} returned {said!r}: it must be a bool, a filter or None"
            )
        return said

    def _handler(self, resource: str, action: str) -> Any:
        handlers = self._auth._handlers
        for name in ((resource, action), (resource, "*"), ("*", action)):
            if handlers.get(name):
                return handlers[name][0]
        return next(iter(self._auth._global_handlers), None)


def _of_request(request: Request) -> dict[str, Any]:
    """What a handler may ask for, by the names that langgraph_sdk documents."""
    return {
        "request": request,
        "path": request.url.path,
        "method": request.method,
        "path_params": dict(request.path_params),
        "query_params": dict(request.query_params),
        "headers": dict(request.headers.raw),
        "authorization": request.headers.get("authorization"),
    }


def _context(identity: Identity, resource: str, action: str) -> Any:
    fields = {"permissions": list(identity.permissions), "user": User(identity), "resource": resource, "action": action}
    types = loaded("langgraph_sdk.auth.types")
    return SimpleNamespace(**fields) if types is None else types.AuthContext(**fields)


def _refusal(error: Exception) -> Exception:
    """The error of a handler as an answer: its HTTPException as it is, any other as what it was."""
    status, detail = getattr(error, "status_code", None), getattr(error, "detail", None)
    if isinstance(status, int) and 400 <= status < 600:
        headers = getattr(error, "headers", None)
        return Refused(status, str(detail), headers if isinstance(headers, Mapping) else None)
    return error
