"""What an entry of a log says once: the input of a run on a thread, which three of its first facts hold. Pure.

The input is a change of START's cell, what START's task is planned to write, and what it has written. The machine has
the same objects in all three. So bytes hold them in the first fact, and say behind the facts where else they belong.
They never leave their entry, so every reader of an entry has what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_graph.constants import START
from drumline_graph.delta import SET
from drumline_protocol import facts as f
from drumline_protocol.errors import DecodeError

#: where the parts of rows lie: `[code, field, ...]`
_CHANGES, _TASKS, _WRITES = 2, 4, 5
#: where the argument of a planned task lies
_ARG = 4
#: numbers for each place: the fact, the task of a plan, the write; the fact of the input, and the key there
_PARTS = 5

#: what takes no more bytes than its place does
_SMALL = (bool, int, float, type(None))
_SMALL_CHARS = 8


def say_once(facts: Sequence[Any], rows: Sequence[list[Any]]) -> list[int]:
    """Take out of the rows of facts what the row of an input in front of them holds; where that was, in numbers."""
    places: list[int] = []
    told: dict[int, tuple[int, int]] = {}
    for at, fact in enumerate(facts):
        if type(fact) is f.InputTaken:
            items = _input_in(fact.changes.get(START))
            told = {id(value): (at, n) for n, value in enumerate(items.values()) if not _is_small(value)}
        elif told and type(fact) is f.PlanMade:
            for number, task in enumerate(rows[at][_TASKS]):
                if type(task[_ARG]) in (list, tuple):
                    task[_ARG] = [list(write) for write in task[_ARG]]  # the fact's own stays as it is
                    places += _taken_out(at, number, task[_ARG], told)
        elif told and type(fact) is f.TaskFinished and type(fact.writes) is list:
            places += _taken_out(at, 0, rows[at][_WRITES], told)
    return places


def _input_in(change: Any) -> dict[str, Any]:
    """The input that a change of START's cell holds, if it is a dict."""
    if type(change) in (tuple, list) and len(change) == 2 and change[0] == SET and type(change[1]) is dict:
        found: dict[str, Any] = change[1]
        return found
    return {}


def _is_small(value: Any) -> bool:
    return type(value) in _SMALL or (type(value) is str and len(value) <= _SMALL_CHARS)


def _taken_out(at: int, number: int, writes: list[list[Any]], told: dict[int, tuple[int, int]]) -> list[int]:
    places: list[int] = []
    for index, write in enumerate(writes):
        found = told.get(id(write[-1]))
        if found is not None:
            write[-1] = None
            places += (at, number, index, *found)
    return places


def say_again(rows: Sequence[Any], places: Any) -> None:
    """Put what was said once into its other places. DecodeError if these are none."""
    if type(places) is not list or not all(type(each) is int and each >= 0 for each in places):
        raise DecodeError("what a log entry says of values that it holds once is malformed")
    inputs: dict[int, list[Any]] = {}
    try:
        for at, number, index, source, key in zip(*[iter(places)] * _PARTS, strict=True):
            if source not in inputs:
                inputs[source] = _values_in(rows[source])
            _writes_in(rows[at], number)[index][-1] = inputs[source][key]
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise DecodeError(f"a log entry names a value that it does not hold: {error}") from error


#: their codes (`drumline_protocol.wire`). Values go from rows of the first kind to rows of the others, so that no value
#: comes to hold itself
_INPUT_TAKEN, _PLAN_MADE, _TASK_FINISHED = 20, 3, 5


def _values_in(row: list[Any]) -> list[Any]:
    if row[0] != _INPUT_TAKEN:
        raise ValueError("it is in no input")
    return list(row[_CHANGES][START][1].values())


def _writes_in(row: list[Any], number: int) -> list[list[Any]]:
    if row[0] not in (_PLAN_MADE, _TASK_FINISHED):
        raise ValueError("it is of no task")
    found: list[list[Any]] = row[_TASKS][number][_ARG] if row[0] == _PLAN_MADE else row[_WRITES]
    return found
