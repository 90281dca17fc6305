"""What values must be that stay encoded until they are needed. Pure."""

from __future__ import annotations

from typing import Any

from drumline_graph.types import Command, Interrupt, Send
from drumline_protocol.codec import Boxed
from drumline_protocol.wire_parts import Misshapen, Shape, command, interrupts, writes


def writes_in(value: Any) -> list[tuple[str, Any]]:
    """Writes that were boxed, as pairs."""
    return [(channel, written) for channel, written in _shaped(writes, value)]


def interrupts_in(value: Any) -> list[Interrupt[Any]]:
    """Interrupts that were boxed."""
    found: list[Interrupt[Any]] = _shaped(interrupts, value)
    return found


def command_in(value: Any) -> Command[Any]:
    """A command that was boxed. Where it goes must be nodes."""
    found: Command[Any] = _shaped(command, value)
    goto = found.goto
    for each in goto if isinstance(goto, (list, tuple, set, frozenset)) else (goto,):
        if not (isinstance(each, str) or (type(each) is Send and type(each.node) is str)):
            raise Misshapen("must be a Command that goes to nodes")
    return found


def _shaped(shape: Shape, value: Any) -> Any:
    if type(value) is Boxed:
        raise Misshapen("must not be boxed twice")
    return shape(value)
