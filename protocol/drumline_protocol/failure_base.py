"""Exceptions as data: the form in which they cross, and how their texts are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drumline_protocol.limits import FAILURE_MESSAGE_CHARS_MAX

#: how the place of a node's failure begins
NODE = "node "
PLACE_CHARS_MAX = 500


def place_of(node: str, worker: str) -> str:
    """The `place` of a failure that a node raised."""
    return f"{NODE}{node!r} on worker {worker!r}"


class FarTraceback(Exception):
    """Not an error: what Python 3.10, which prints no notes, shows above an exception that another process raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}" if self.args else ""


@dataclass(slots=True)
class Failure:
    """An exception as data.

    `class_name` is `ValueError` for a builtin, else `module.QualName`. `args` builds the exception again: a list, or
    `Boxed` as `describe` makes it; None if the arguments could not be encoded. `traceback` is the text that Python
    prints, `notes` are those of PEP 678. `place` says who raised it, as in `node 'x' on worker 'w1'`; "" if nobody
    told.

    `attributes` are what else the exception holds, each value boxed, or a Failure where it is an exception itself;
    `left` names those that could not cross, with their types. `cause` and `context` are the exceptions that it came
    from, `members` those of a group; they have no traceback of their own, since it is a part of this one's. `details`
    is what an exception of another make than Python's consists of (`failure_state`).
    """

    class_name: str
    message: str
    args: Any = None
    traceback: str = ""
    notes: list[str] | None = None
    place: str = ""
    attributes: dict[str, Any] | None = None
    left: list[str] | None = None
    cause: Failure | None = None
    context: Failure | None = None
    members: list[Failure] | None = None
    details: Any = None

    def __str__(self) -> str:
        return f"{self.class_name}: {self.message}" if self.message else self.class_name


def class_name_of(cls: type) -> str:
    """The name under which a class of exceptions travels."""
    try:
        return f"{cls.__qualname__}" if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    except BaseException:  # its metaclass raises
        return "<a class that does not tell its name>"


def text_of(exc: BaseException, chars_max: int = FAILURE_MESSAGE_CHARS_MAX) -> str:
    """What `exc` says of itself, cut to a length. Never raises."""
    try:
        text = str.__str__(str(exc))
    except BaseException as inner:  # user code: even SystemExit from a __str__ must not get out
        text = f"<its message cannot be shown: {class_name_of(type(inner))} in __str__>"
    return head_of(text, chars_max)


def reason_of(exc: BaseException) -> str:
    """What `exc` says as the reason of an error of ours: its class if it says nothing. Never raises."""
    return text_of(exc, 1000) or class_name_of(type(exc))


def head_of(text: str, chars_max: int) -> str:
    """The beginning of a text, and how much is missing."""
    cut = len(text) - chars_max
    return text if cut <= 0 else f"{text[:chars_max]}... ({cut} more characters)"
