"""Who may do what: API keys, callables, or an `Auth` object of langgraph_sdk.

`identify` says who asks, `allow` what of it they may have. Without any of these everybody may do everything, so such a
gateway belongs on loopback. With one key for all, whoever has it may. With keys that have names, or an `authenticate`
callable, each caller has threads, runs, assistants and items of the store of its own, and what is another's is not
there (404); `authorize`, or the handlers of an `Auth` object, may say otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from drumline.apps import load_object
from drumline.langgraph_json import read_project
from drumline.settings import UsageError
from drumline_gateway.callers import Identity, Refused, forbidden, identity_of, unauthorized
from drumline_gateway.caps import Caps
from drumline_gateway.langgraph_auth import LangGraphAuth
from drumline_gateway.owners import OWNER, Filter, label_of, matches, stamp, visible

__all__ = [
    "OWNER",
    "Caps",
    "Guard",
    "Identity",
    "Refused",
    "cors",
    "matches",
    "refuse_foreign",
    "refuse_reserved",
    "stamp",
    "visible",
]

#: `(request) -> identity | None`, sync or async: see `identity_of` for what it may return
Authenticate = Callable[[Request], Any]
#: `(identity, action, resource) -> filter | bool | None`, sync or async
Authorize = Callable[[Identity, str, str], Any]

#: what belongs to a caller; of assistants, those that callers have made: the graphs' own all callers have
_OWNED = frozenset(("threads", "crons", "assistants"))
_NAME = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,63}")
_KEY_LENGTH_MIN = 8

#: headers that browsers may send, and may show to scripts
_SENT = ("X-Api-Key", "X-Auth-Scheme", "Authorization", "Content-Type", "Last-Event-ID", "Prefer")
_SHOWN = ("Content-Location", "Location", "X-Pagination-Next", "Drumline-Ignored", "Retry-After")


class Guard:
    """Asks who, and decides what they may. UsageError for keys that cannot be, or two ways to say who asks.

    `api_keys`: the name of the caller by its key; an empty name is a caller like any other. `auth` is an `Auth` object
    of langgraph_sdk.
    """

    def __init__(
        self,
        api_keys: Mapping[str, str] | None = None,
        *,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        auth: Any = None,
        caps: Caps | None = None,
    ) -> None:
        self.caps = caps or Caps()
        self._keys = {_digest(key): name for key, name in (api_keys or {}).items()}
        self._theirs = None if auth is None else LangGraphAuth(auth)
        self._authenticate = authenticate
        self._authorize = authorize
        theirs = self._theirs is not None and self._theirs.authenticates
        if sum((bool(self._keys), authenticate is not None, theirs)) > 1:
            raise UsageError("API keys, `authenticate` and an Auth object each say who asks: give one of them")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **options: Any) -> Guard:
        """As the environment says: `DRUMLINE_API_KEY`, one key for all, or `DRUMLINE_API_KEYS`, `name:key,name:key`.

        UsageError for something else.
        """
        keys = keys_in(environment)
        return cls(keys or None, **options)

    @classmethod
    def of_project(cls, environment: Mapping[str, str], folder: Path | None = None, **options: Any) -> Guard:
        """The same, and as the langgraph.json of `folder` (default: here) says, if there is one: the object at its
        `auth.path`. UsageError, AppNotFound, AppFailed: nothing is served then.
        """
        project = read_project(folder)
        if project is not None and project.auth:
            options["auth"] = load_object(project.auth, project.path.parent)
        return cls.from_environment(environment, **options)

    @property
    def asks(self) -> bool:
        """Whether callers must say who they are."""
        theirs = self._theirs is not None and self._theirs.authenticates
        return bool(self._keys) or self._authenticate is not None or theirs

    async def identify(self, request: Request) -> Identity:
        """Who asks. Refused (401, or what a callable said)."""
        peer = request.client.host if request.client is not None else ""
        if self._theirs is not None and self._theirs.authenticates:
            return identity_of(await self._theirs.authenticate(request), peer)
        if self._authenticate is not None:
            return identity_of(await _result(self._authenticate(request)), peer)
        if not self._keys:
            return Identity(peer=peer)
        given = _key_of(request)
        name = None if given is None else self._name_of(given)
        if name is None:
            raise unauthorized()
        return Identity(name, peer=peer)

    async def allow(self, identity: Identity, resource: str, action: str, value: dict[str, Any]) -> Filter | None:
        """What the metadata must be like of what the caller touches; None: anything. Refused (403).

        `value` is what the caller asks for. It may be changed: metadata, and the namespace of the store.
        """
        if self._theirs is not None and self._theirs.authorizes:
            return await self._theirs.authorize(identity, resource, action, value)
        if self._authorize is not None:
            said = await _result(self._authorize(identity, action, resource))
            if said is False:
                raise forbidden(f"Forbidden: {action} of {resource}")
            return said if isinstance(said, Mapping) else None
        if not identity.id:
            return None
        if resource == "store":
            value["namespace"] = (OWNER, label_of(identity.id), *(value.get("namespace") or ()))
            return None
        return {OWNER: identity.id} if resource in _OWNED else None

    def _name_of(self, key: str) -> str | None:
        """The name of who has the key. Takes as long for a wrong one as for a right one."""
        given, found = _digest(key), None
        for digest, name in self._keys.items():
            if hmac.compare_digest(digest, given):
                found = name
        return found


def keys_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Names by API keys, as the environment has them. UsageError for a form that cannot be."""
    one, many = environment.get("DRUMLINE_API_KEY", ""), environment.get("DRUMLINE_API_KEYS", "")
    if one and many:
        raise UsageError("DRUMLINE_API_KEY and DRUMLINE_API_KEYS are both set: one key for all, or one for each caller")
    if one:
        return {_long_enough(one, "DRUMLINE_API_KEY"): ""}
    keys: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in many.split(","))):
        name, colon, key = part.partition(":")
        if not colon or _NAME.fullmatch(name) is None or key in keys:
            raise UsageError("DRUMLINE_API_KEYS must be name:key,name:key, with letters and digits for a name")
        keys[_long_enough(key, f"the key of {name!r} in DRUMLINE_API_KEYS")] = name
    return keys


def _long_enough(key: str, what: str) -> str:
    if len(key) < _KEY_LENGTH_MIN or not key.isascii() or not key.isprintable():
        raise UsageError(f"{what} must have {_KEY_LENGTH_MIN} ASCII characters or more")
    return key


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _key_of(request: Request) -> str | None:
    key = request.headers.get("x-api-key")
    if key is not None:
        return key
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _result(said: Any) -> Any:
    return await said if inspect.isawaitable(said) else said


def refuse_reserved(configurable: Any) -> None:
    """Refused (422) for keys of `configurable` that are not a client's to set."""
    keys = configurable if isinstance(configurable, Mapping) else ()
    reserved = sorted(key for key in map(str, keys) if key.startswith(("__", "langgraph_auth")))
    if reserved:
        raise Refused(422, f"config.configurable: a client may not set {', '.join(reserved)[:200]}")


def refuse_foreign(request: Request, origins: Sequence[str]) -> None:
    """Refused (403) for a request that a web page of another origin makes, unless that may ask.

    A browser sends some requests without asking first, and only keeps the answers from the page: a form, or a POST of
    plain text.
    """
    origin = request.headers.get("origin")
    if origin is None or "*" in origins or origin in origins:
        return
    if urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise forbidden("Forbidden: this page is of another origin, and the gateway was not told to serve it")


def cors(origins: Sequence[str]) -> Middleware | None:
    """What lets web pages of other origins ask ("*": all of them); None if there are none."""
    if not origins:
        return None
    return Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=list(_SENT),
        expose_headers=list(_SHOWN),
        max_age=600,
    )
