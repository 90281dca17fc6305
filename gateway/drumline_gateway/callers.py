"""Who asks: identities, and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from drumline_gateway.errors import HttpError


class Refused(HttpError):
    """A request that is not answered for who asks, or for how much they have."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. `id` is empty where nobody is asked who they are: all of these are one."""

    id: str = ""
    permissions: tuple[str, ...] = ()
    #: what is known of the caller beside, as text, numbers, lists and dicts
    user: Mapping[str, Any] | None = None
    #: the address that the request came from
    peer: str = ""

    @property
    def for_caps(self) -> str:
        """By what the caller is counted."""
        return f"id {self.id}" if self.id else f"at {self.peer}"

    @property
    def for_nodes(self) -> dict[str, Any]:
        """What nodes find of the caller in `config["configurable"]`, under the names that LangGraph's server uses."""
        if not self.id:
            return {}
        user = {"identity": self.id, "permissions": list(self.permissions), **(self.user or {})}
        return {
            "langgraph_auth_user": user,
            "langgraph_auth_user_id": self.id,
            "langgraph_auth_permissions": list(self.permissions),
        }


class User:
    """A caller as handlers of langgraph_sdk's `Auth` know one: by attributes, and as a mapping."""

    is_authenticated = True

    def __init__(self, identity: Identity) -> None:
        self.identity = identity.id
        self.permissions: Sequence[str] = list(identity.permissions)
        self._fields = {"identity": identity.id, "permissions": self.permissions, **(identity.user or {})}
        self.display_name = str(self._fields.get("display_name") or identity.id)

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get("_fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(name)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __contains__(self, key: object) -> bool:
        return key in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def get(self, key: str, default: Any = None) -> Any:
        """A field, or the default."""
        return self._fields.get(key, default)


def identity_of(told: Any, peer: str = "") -> Identity:
    """The identity that an `authenticate` callable returned: an Identity, a text, a dict with `identity`, or an object
    that has it. Refused (401) for None, for no identity, and for a user who is not authenticated.
    """
    if isinstance(told, Identity):
        found = Identity(told.id, told.permissions, told.user, peer)
    elif isinstance(told, str):
        found = Identity(told, peer=peer)
    else:
        fields = _fields(told)
        permissions = fields.get("permissions")
        known = tuple(map(str, permissions)) if isinstance(permissions, (list, tuple, set, frozenset)) else ()
        allowed = fields.get("is_authenticated", True)
        found = Identity(str(fields.get("identity") or "") if allowed else "", known, fields, peer)
    if not found.id:
        raise unauthorized()
    return found


def _fields(told: Any) -> dict[str, Any]:
    if told is None:
        return {}
    if isinstance(told, Mapping):
        return {str(key): value for key, value in told.items()}
    named = ("identity", "permissions", "display_name", "is_authenticated")
    fields = {name: getattr(told, name) for name in named if hasattr(told, name)}
    return {**{k: v for k, v in getattr(told, "__dict__", {}).items() if not k.startswith("_")}, **fields}


def unauthorized(detail: str = "") -> Refused:
    """401: who are you?"""
    text = detail or "Unauthorized: send an API key as X-Api-Key, or as Authorization: Bearer"
    return Refused(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})


def forbidden(detail: str = "Forbidden") -> Refused:
    """403: not you."""
    return Refused(HTTPStatus.FORBIDDEN, detail)
