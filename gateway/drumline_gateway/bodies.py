"""Bodies and ids of requests: bounded before they are decoded, and read key by key."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from drumline_gateway.errors import HttpError, bad
from drumline_protocol.limits import NAME_CHARS_MAX
from drumline_protocol.names import fault_of_name

T = TypeVar("T")

#: what clients take out of a path before they send it, escaped or not: another place would be asked
_STEPS = (".", "..")

#: what a list of ids, or a page of results, may hold
ROWS_MAX = 1000
#: how deep JSON may be nested
DEPTH_MAX = 200


async def read_body(request: Request, size_max: int) -> Any:
    """The JSON of a request; None for an empty body. HttpError 413 beyond `size_max` bytes, 422."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and (len(told) > 15 or int(told) > size_max):
        raise _too_large(size_max)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > size_max:
            raise _too_large(size_max)
        parts.append(part)
    data = b"".join(parts)
    if not data.strip():
        return None
    try:
        found = json.loads(data)
    except RecursionError:
        raise bad("The body is nested too deeply.") from None
    except (ValueError, UnicodeError) as error:
        raise bad(f"The body is no JSON: {error}.") from None
    if is_deeper(found, DEPTH_MAX):
        raise bad(f"The body is nested more than {DEPTH_MAX} deep.")
    return found


def _too_large(size_max: int) -> HttpError:
    return HttpError(413, f"The body is larger than {size_max} bytes.", {"Connection": "close"})


def is_deeper(value: Any, depth_max: int) -> bool:
    """Whether containers lie deeper within one another than that."""
    level = [value]
    for _ in range(depth_max):
        level = [
            part
            for whole in level
            if isinstance(whole, (dict, list))
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
        if not level:
            return False
    return True


class Fields:
    """The keys of a JSON object. Each getter raises HttpError 422 with the key for a value of another kind.

    A key that is null is as good as absent.
    """

    def __init__(self, given: Any, where: str = "") -> None:
        if given is not None and not isinstance(given, dict):
            raise bad(f"{where or 'The body'} must be a JSON object, not {_kind(given)}.")
        self.all: dict[str, Any] = given or {}
        self._where = where

    def _get(self, key: str, kinds: tuple[type, ...], told: str, default: T) -> Any | T:
        value = self.all.get(key)
        if value is None:
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise bad(f"{self.path(key)} must be {told}, not {_kind(value)}.")
        return value

    def path(self, key: str) -> str:
        """The key as errors name it."""
        return f"{self._where}.{key}" if self._where else key

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        found: str = self._get(key, (str,), "a text", default)
        return found

    def choice(self, key: str, among: Sequence[str], default: str = "") -> str:
        """One of these texts."""
        found = self.text(key, default)
        if found != default and found not in among:
            raise bad(f"{self.path(key)} is one of {', '.join(among)}, not {found!r}.")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """A truth."""
        found: bool = self._get(key, (bool,), "true or false", default)
        return found

    def count(self, key: str, default: int, most: int = ROWS_MAX) -> int:
        """A number from 0 on; more than `most` is as good as that."""
        found: int = self._get(key, (int,), "a whole number", default)
        if found < 0:
            raise bad(f"{self.path(key)} must not be negative.")
        return min(found, most)

    def dict(self, key: str) -> dict[str, Any]:
        """An object; {} if there is none."""
        found: dict[str, Any] = self._get(key, (dict,), "an object", {})
        return found

    def texts(self, key: str) -> list[str]:
        """A list of texts; [] if there is none."""
        found: list[str] = self._get(key, (list,), "a list", [])
        if len(found) > ROWS_MAX or not all(isinstance(part, str) for part in found):
            raise bad(f"{self.path(key)} must be a list of at most {ROWS_MAX} texts.")
        return found


def _kind(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def checked_id(kind: str, given: str) -> str:
    """An id of a thread or a run. HttpError 422 for one that no path could name."""
    if not given or len(given) > NAME_CHARS_MAX or "/" in given or not given.isprintable() or given in _STEPS:
        raise bad(f"An id of a {kind} has 1 to {NAME_CHARS_MAX} printable characters, no slash, and is not . or ..")
    fault = fault_of_name(given)
    if fault is not None:
        raise bad(f"The id of the {kind} {fault}.")
    return given


def new_thread_id() -> str:
    """An id for a thread whose caller has named none."""
    return str(uuid.uuid4())


def query_flag(query: Mapping[str, str], key: str, default: bool = False) -> bool:
    """A truth of a query. HttpError 422."""
    found = query.get(key)
    if found is None:
        return default
    if found.lower() in ("1", "true", "yes"):
        return True
    if found.lower() in ("0", "false", "no", ""):
        return False
    raise bad(f"{key} must be true or false, not {found!r}.")


def query_texts(query: ImmutableMultiDict[str, str], key: str) -> list[str]:
    """Texts of a query, which are given one by one or with commas between."""
    return [part for text in query.getlist(key) for part in text.split(",") if part][:ROWS_MAX]


def query_count(query: Mapping[str, str], key: str, default: int, most: int = ROWS_MAX) -> int:
    """A number of a query, from 0 on. HttpError 422."""
    found = query.get(key)
    if found is None:
        return default
    if not found.isdecimal() or len(found) > 12:
        raise bad(f"{key} must be a number of at least 0, not {found[:40]!r}.")
    return min(int(found), most)
