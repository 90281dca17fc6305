"""Whether facts and messages are what their annotations say: written apart from the table of shapes that it tests."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from drumline_graph.types import Interrupt
from drumline_protocol import facts as f
from drumline_protocol import messages as m
from drumline_protocol.codec import Boxed
from drumline_protocol.failure import Failure
from drumline_protocol.limits import NAME_CHARS_MAX


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of its annotated type: written apart from the table that is tested."""
    if hint is Any:
        return True
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        return type(value) is list and all(fits(each, args[0]) for each in value)
    if origin is dict:
        return type(value) is dict and all(fits(k, args[0]) and fits(v, args[1]) for k, v in value.items())
    if origin is tuple:
        if args[-1] is Ellipsis:
            return type(value) is tuple and all(fits(each, args[0]) for each in value)
        return type(value) is tuple and len(value) == len(args) and all(map(fits, value, args))
    if args:  # a union
        return any(fits(value, each) for each in args)
    if hint is float:
        return type(value) in (int, float) and value == value
    if dataclasses.is_dataclass(hint):
        return type(value) is hint and well_formed(value)
    return type(value) is hint


#: what annotations do not say
NUMBERS = {"attempt": 1, "n": 0, "step": -1, "stop": 0, "events": -1, "partition": 0}
NAMES = ("run", "run_id", "task", "id")


def _rule(thing: Any, name: str, value: Any) -> bool:
    least = 0 if type(thing) in (m.AttemptLost, f.GraphEntered, f.GraphKept) else 1  # of no task: empty
    if name in NUMBERS and value is not None:
        if name == "attempt" and type(thing) in (m.AttemptLost, m.TimerDue):  # of no task; of a whole superstep
            return 0 <= value <= 2**53
        return NUMBERS[name] <= value <= 2**53
    if name in NAMES:
        return (least if name == "task" else 1) <= len(value) <= NAME_CHARS_MAX and value.encode() is not None
    if name == "items":
        return all(type(each) is bytes or (type(thing) is f.Emitted and len(each) == 3) for each in value)
    if name == "error":
        return value is None or (type(value) is Failure and all(type(x) is str for x in (value.message, str(value))))
    if name == "writes" and value is not None:
        return type(value) is Boxed or all(type(channel) is str for channel, _ in value)
    if name == "interrupts" and value is not None:
        return type(value) is Boxed or all(type(each) is Interrupt for each in value)
    if name == "sketches" and value is not None:
        return all(type(each) is f.Sketch and well_formed(each) for each in value.values())
    if name == "changes":
        return all(type(each) is list and type(each[0]) is str for each in value.values())
    return True


def well_formed(thing: Any) -> bool:
    """Whether all fields of `thing` are what they are said to be."""
    hints = _hints(type(thing))  # type: ignore[arg-type]
    values = {x.name: getattr(thing, x.name) for x in dataclasses.fields(thing)}
    return all(fits(values[name], hints[name]) and _rule(thing, name, values[name]) for name in values)
