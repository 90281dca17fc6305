"""What parts of facts and messages must be as they come from the wire: scalars, containers, values. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_graph.delta import is_change
from drumline_graph.texts import is_encodable
from drumline_graph.types import Command, Interrupt
from drumline_protocol.cells import CellAt
from drumline_protocol.codec import Boxed
from drumline_protocol.codec_builtin import Named
from drumline_protocol.failure import Failure
from drumline_protocol.limits import NAME_CHARS_MAX

Shape = Callable[[Any], Any]

#: Numbers of steps, attempts and events stay where every program can count.
_INT_MAX = 2**53


class Misshapen(ValueError):
    """A value is not of the shape that its place asks for; the text says what it must be."""


# -- scalars ---------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """Any text that can be encoded."""
    if type(value) is str and (value.isascii() or is_encodable(value)):
        return value
    raise Misshapen("must be a text without lone surrogates")


def free_text(value: Any) -> str:
    """Any text at all: reasons and the like, which may hold what users wrote."""
    if type(value) is str:
        return value
    raise Misshapen("must be a text")


def name(value: Any) -> str:
    """An id or a name: what may become a part of a key."""
    if type(value) is str and 0 < len(value) <= NAME_CHARS_MAX and (value.isascii() or is_encodable(value)):
        return value
    raise Misshapen(f"must be a name of 1 to {NAME_CHARS_MAX} characters, without lone surrogates")


def name_or_none(value: Any) -> str:
    """A name, or nothing."""
    return "" if type(value) is str and not value else name(value)


def number(least: int) -> Shape:
    """A whole number from `least` on."""

    def shape(value: Any) -> int:
        if type(value) is int and least <= value <= _INT_MAX:
            return value
        raise Misshapen(f"must be a whole number from {least} to 2**53")

    return shape


def flag(value: Any) -> bool:
    """True or False."""
    if type(value) is bool:
        return value
    raise Misshapen("must be true or false")


def moment(value: Any) -> float:
    """A point in time, in milliseconds."""
    if type(value) in (float, int) and 0 <= value < 2**63:
        number: float = value
        return number
    raise Misshapen("must be a time in milliseconds")


# -- containers ------------------------------------------------------------------------------------


def tuple_of(item: Shape) -> Shape:
    """A list from the wire, as a tuple."""

    def shape(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise Misshapen("must be a list")
        return tuple([item(each) for each in value])

    return shape


def dict_of(item: Shape | None = None) -> Shape:
    """A dict with texts as its keys."""

    def shape(value: Any) -> dict[str, Any]:
        if type(value) is not dict or not all(type(key) is str for key in value):
            raise Misshapen("must be a dict with texts as its keys")
        return value if item is None else {key: item(each) for key, each in value.items()}

    return shape


def optional(inner: Shape) -> Shape:
    """None, or that."""
    return lambda value: None if value is None else inner(value)


def _pair(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) == 2 and type(value[0]) is str


def boxed(value: Any) -> Boxed:
    """A value that is still encoded."""
    if type(value) is Boxed:
        return value
    raise Misshapen("must be a boxed value")


def writes(value: Any) -> Any:
    """Pairs of a channel and a value, boxed or open."""
    if type(value) is Boxed or (type(value) is list and all(map(_pair, value))):
        return value
    raise Misshapen("must be a list of pairs of channel and value")


def pairs(value: Any) -> list[Any]:
    """Pairs of a channel and a value, open."""
    if type(value) is list and all(map(_pair, value)):
        return [tuple(each) for each in value]
    raise Misshapen("must be a list of pairs of channel and value")


def interrupts(value: Any) -> Any:
    """What a task asks its caller, boxed or open."""
    if type(value) is Boxed or (type(value) is list and all(type(each) is Interrupt for each in value)):
        return value
    raise Misshapen("must be a list of Interrupts")


def failure(value: Any) -> Failure:
    """An exception as data."""
    if type(value) is not Failure or not all(
        type(part) is str for part in (value.class_name, value.message, value.traceback)
    ):
        raise Misshapen("must be a Failure")
    return value


def _path_part(part: Any, depth: int = 0) -> bool:
    if type(part) is tuple:
        return depth < 16 and all(_path_part(each, depth + 1) for each in part)
    return type(part) in (str, int, bool)


def task_path(value: Any) -> tuple[Any, ...]:
    """Where a task stands in its plan: texts and numbers, and paths inside it."""
    if type(value) is list and all(map(_path_part, value)):
        return tuple(value)
    raise Misshapen("must be the path of a task")


def keys(value: Any) -> Any:
    """One key of the state, or several."""
    if type(value) is str or (type(value) in (list, tuple) and all(type(each) is str for each in value)):
        return value
    raise Misshapen("must be a key or a list of keys")


def change(value: Any) -> list[Any]:
    """What changed in a channel (`drumline_graph.delta`)."""
    if type(value) is list and value and type(value[0]) is str and is_change(value):
        return value
    raise Misshapen("must be a change of a channel")


def kept(value: Any) -> Any:
    """How a large cell is kept: four numbers, or the name of a blob."""
    if type(value) is Named or (type(value) is list and len(value) == 4 and all(type(n) is int for n in value)):
        return value
    raise Misshapen("must be a list of four numbers, or the name of a value")


def cell_at(value: Any) -> CellAt:
    """A version of a cell: its name, its number, and that of its base."""
    if (
        type(value) is list
        and len(value) == 3
        and type(value[0]) is str
        and all(type(each) is int for each in value[1:])
        and 0 < value[2] <= value[1] <= _INT_MAX
    ):
        return CellAt(text(value[0]), value[1], value[2])
    raise Misshapen("must be the name of a cell, a version, and the version of its base")


def bursts(value: Any) -> list[bytes]:
    """Events as a worker sends them."""
    if type(value) is list and {bytes}.issuperset(map(type, value)):
        return value
    raise Misshapen("must be a list of encoded events")


def emitted(value: Any) -> list[Any]:
    """Events as a log has them: encoded, or open in what a node's own graph emitted."""
    if type(value) is list and all(type(each) is bytes or _is_item(each) for each in value):
        return value
    raise Misshapen("must be a list of events")


def _is_item(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) == 3 and type(value[0]) is int


def anything(value: Any) -> Any:
    """A value of the user's."""
    return value


def answers(value: Any) -> list[Any]:
    """Answers to the questions of a task."""
    if type(value) is list:
        return value
    raise Misshapen("must be a list of answers")


def command(value: Any) -> Any:
    """A `Command` for the graph above."""
    if type(value) in (Boxed, Command):
        return value
    raise Misshapen("must be a Command")
