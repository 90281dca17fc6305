"""Exceptions as values: one that a node keeps in the state, or sends as an event.

They travel as those that end a task do, as a `Failure`: class, arguments, message, attributes, notes, causes and the
members of a group, as far as these can cross. The traceback stays behind. A reader that does not know the class gets a
`RemoteError`, which tells class and message, and which is written on as what came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumline_protocol.codec_types import TypeTable, WireType, registered
from drumline_protocol.errors import RemoteError
from drumline_protocol.failure_base import Failure, class_name_of

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec

#: the tag of every exception
ERROR_TAG = "python:exception"

#: attribute of a `RemoteError` that stands for an exception that was a value: the Failure that came
_CAME_AS = "_drumline_came_as"


def _never(_of: Any) -> Any:
    raise TypeError("exceptions are written by the codec")


def listed_error(cls: type, tag: str) -> WireType:
    """The entry of an exception class in a table: it tells that the class is known."""
    return WireType(cls, tag, _never, _never)


def is_listed(wire_type: WireType) -> bool:
    """Whether an entry only tells that an exception class is known."""
    return wire_type.dump is _never


def error_type(codec: Codec, types: TypeTable) -> WireType:
    """How exceptions are written by `codec`, and rebuilt if their class is in `types`, registered, or known anyway."""

    def dump(exc: Any) -> list[Any]:
        from drumline_protocol.failure_told import described

        return [vars(exc).get(_CAME_AS) or described(exc, codec)]

    def load(parts: list[Any]) -> Any:
        from drumline_protocol.failure_rebuild import rebuild

        failure = parts[0]
        if type(failure) is not Failure:
            raise ValueError("not an exception as data")
        exc = rebuild(failure, known())
        if type(exc) is RemoteError and failure.class_name != class_name_of(RemoteError):
            exc.__dict__[_CAME_AS] = failure
        return exc

    def known() -> list[type[BaseException]]:
        entries = (*types.tags().values(), *registered.tags().values())
        return list(dict.fromkeys(entry.cls for entry in entries if issubclass(entry.cls, BaseException)))

    return WireType(BaseException, ERROR_TAG, dump, load)
