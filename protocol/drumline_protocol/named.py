"""Named values: a large value lies once under a name, and a `Named` stands for it wherever it is spoken of. Pure.

A value of a task's result, or the argument of a `Send`, that takes many bytes is moved out of the result by the worker
that made it (`move_out`): its bytes become a *blob*, a key of their own. The result, the facts, the plan and the next
task's message carry the name. Whoever needs the value looks for names (`names_in`), reads the blobs, and puts the
values in their places (`resolve`). No `Named` reaches user code.

Names stand only in certain places, so that nobody has to search through values: a whole write of a task; the argument
of a `Send` among its writes, or in the goto of a `Command`; a whole value of a command's update; the argument of a
planned task, or those of a called one; a whole cell; the value or an item of a change. An argument may be a `Derived`:
then names are its bytes, and some of its origins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from drumline_graph.constants import TASKS
from drumline_graph.delta import ITEMS, PARTS, VALUE
from drumline_graph.types import Command, Send
from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.codec_builtin import Named
from drumline_protocol.codec_derived import Derived
from drumline_protocol.errors import BlobMissing
from drumline_protocol.facts import (
    GraphEntered,
    GraphKept,
    PlanMade,
    PlannedTask,
    RoutingStarted,
    StepCommitted,
    TaskCalled,
    TaskFinished,
    TaskKept,
)
from drumline_protocol.limits import NAMED_BYTES_MIN

__all__ = ["Blob", "Named", "arguments_in", "looks_large", "may_name", "move_out", "names_in", "names_of", "resolve"]

T = TypeVar("T")
#: the id of a blob, and its bytes
Blob = tuple[str, bytes]
#: gets the value at a place, gives what shall stand there: the very same object if nothing changes
_Leaf = Callable[[Any], Any]

#: How the bytes of a `Named` begin: an ext value of 8 or 16 bits of length, whose payload is a list of two.
_NAME = re.compile(rb"\xc7.\x23\x92|\xc8..\x23\x92", re.DOTALL)


def move_out(
    codec: Codec, found: T, prefix: str, least: int = NAMED_BYTES_MIN, *, first: int = 0
) -> tuple[T, list[Blob]]:
    """The writes of a task, or a `Command`, with names for all values that take more than `least` bytes, and the blobs.

    `prefix` begins the ids of the blobs, which are numbered from `first` on; no other execution may ever use it. The
    same object at several places (one argument for many Sends) becomes one blob. `found` itself is not changed.
    EncodeError for a value that the codec does not take.
    """
    blobs: list[Blob] = []
    known: dict[int, Any] = {}

    def leaf(value: Any) -> Any:
        if _is_small(value, least):
            return value
        stand_in = known.get(id(value))
        if stand_in is None:
            data = codec.encode(value)
            stand_in = value
            if len(data) > least:
                stand_in = Named(f"{prefix}{first + len(blobs)}", len(data))
                blobs.append((stand_in.blob, data))
            known[id(value)] = stand_in
        return stand_in

    return _mapped(found, leaf), blobs


def may_name(data: bytes) -> bool:
    """Whether encoded bytes may hold a name: a look that costs little, and is never wrong with a No."""
    return _NAME.search(data) is not None


def names_in(found: Any) -> list[Named]:
    """The names in the writes of a task, in a `Command`, or in the values of a fact. Empty for facts of other kinds.

    Writes that are still boxed are decoded only if their bytes may hold a name.
    """
    names: list[Named] = []

    def leaf(value: Any) -> Any:
        if type(value) is Named:
            names.append(value)
        return value

    _mapped(found, leaf)
    return names


def arguments_in(facts: Sequence[Any]) -> list[Named]:
    """The names in these facts that stand for arguments: of Sends in results, and of calls of `@task`s."""
    sent = [
        name
        for fact in facts
        for writes in _writes_in(fact)
        for channel, value in writes
        if channel == TASKS and type(value) is Send
        for name in names_of(value.arg)
    ]
    return [*sent, *(fact.args for fact in facts if type(fact) is TaskCalled and type(fact.args) is Named)]


def names_of(arg: Any) -> list[Named]:
    """The names in the argument of a `Send`: that of the argument itself, or of what it is made of."""
    parts = (*arg.origins, arg.box) if type(arg) is Derived else (arg,)
    return [part for part in parts if type(part) is Named]


def _writes_in(fact: Any) -> list[Any]:
    if type(fact) is GraphKept:
        return [row.writes for row in fact.tasks if row.writes]
    if type(fact) is TaskFinished and (type(fact.writes) is not Boxed or may_name(fact.writes.data)):
        return [unbox(fact.writes)]
    return []


def resolve(found: T, values: Mapping[str, Any]) -> T:
    """The same writes, `Command` or fact with values for names: `values` has them by the id of their blob.

    Changes nothing in place; without names the very same object. BlobMissing for a name that `values` lacks.
    """

    def leaf(value: Any) -> Any:
        if type(value) is not Named:
            return value
        if value.blob not in values:
            raise BlobMissing(value.blob, value.size)
        return values[value.blob]

    resolved: T = _mapped(found, leaf)
    return resolved


def looks_large(writes: Sequence[tuple[str, Any]], least: int = NAMED_BYTES_MIN) -> bool:
    """A cheap guess, before anything is encoded: whether a text, or what a Send carries, takes more than `least` bytes.

    Whoever believes it spares encoding all of the writes at once, and then most of them again.
    """
    for _, value in writes:
        kind = type(value)
        if kind is str or kind is bytes:
            if len(value) > least:
                return True
        elif kind is Send:
            arg = value.arg
            items = arg.values() if type(arg) is dict else arg if type(arg) in (list, tuple) else (arg,)
            if sum(len(item) for item in items if type(item) in (str, bytes)) > least:
                return True
    return False


def _is_small(value: Any, least: int) -> bool:
    kind = type(value)
    if kind in (str, bytes):
        return len(value) * 4 <= least  # no character takes more
    return value is None or kind in (bool, int, float, Named)


# -- places -----------------------------------------------------------------------------------------


def _mapped(found: Any, leaf: _Leaf) -> Any:
    """`found` with what `leaf` gives for its places; the very same object if nothing changes."""
    if type(found) is Command:
        return _in_command(found, leaf)
    if type(found) in (list, tuple):
        return _in_writes(found, leaf)
    inside = _IN_FACTS.get(type(found))
    return found if inside is None else inside(found, leaf)


def _each(items: Any, change: _Leaf) -> Any:
    changed = [change(item) for item in items]
    if all(new is old for new, old in zip(changed, items, strict=True)):
        return items
    return tuple(changed) if type(items) is tuple else changed


def _in_dict(found: dict[Any, Any], change: _Leaf) -> dict[Any, Any]:
    changed = {key: change(value) for key, value in found.items()}
    return found if all(changed[key] is value for key, value in found.items()) else changed


def _in_writes(writes: Any, leaf: _Leaf) -> Any:
    def write(pair: Any) -> Any:
        channel, value = pair
        if channel == TASKS:
            new = _in_sends(value, leaf)
        else:
            new = _in_command(value, leaf) if type(value) is Command else leaf(value)
        return pair if new is value else type(pair)((channel, new))

    return _each(writes, write)


def _in_sends(value: Any, leaf: _Leaf) -> Any:
    """A Send, or several, with what `leaf` gives for their arguments."""

    def send(item: Any) -> Any:
        if type(item) is not Send:
            return item
        arg = in_argument(item.arg, leaf)
        return item if arg is item.arg else Send(item.node, arg, timeout=item.timeout)

    return _each(value, send) if type(value) in (list, tuple) else send(value)


def in_argument(arg: Any, leaf: _Leaf) -> Any:
    """The argument of a Send with what `leaf` gives for its names; the very same object if nothing changes."""
    if type(arg) is not Derived:
        return leaf(arg)
    origins = tuple(leaf(origin) if type(origin) is Named else origin for origin in arg.origins)
    box = leaf(arg.box)
    if box is arg.box and all(new is old for new, old in zip(origins, arg.origins, strict=True)):
        return arg
    return Derived(origins, box)


def _in_command(command: Command[Any], leaf: _Leaf) -> Command[Any]:
    goto = _in_sends(command.goto, leaf)
    update: Any = command.update
    if type(update) is dict:
        update = _in_dict(update, leaf)
    elif type(update) in (list, tuple) and all(type(item) in (list, tuple) and len(item) == 2 for item in update):
        update = _each(update, lambda pair: _in_pair(pair, leaf))
    if goto is command.goto and update is command.update:
        return command
    return replace(command, goto=goto, update=update)


def _in_pair(pair: Any, leaf: _Leaf) -> Any:
    value = leaf(pair[1])
    return pair if value is pair[1] else type(pair)((pair[0], value))


# -- facts ------------------------------------------------------------------------------------------


def _in_fact_writes(fact: Any, leaf: _Leaf) -> Any:
    found = fact.writes
    if type(found) is Boxed:
        if not may_name(found.data):
            return fact
        found = found.value
    writes = _mapped(found, leaf)
    return fact if writes is found else replace(fact, writes=writes)


def _in_plan(plan: PlanMade, leaf: _Leaf) -> PlanMade:
    def planned(task: PlannedTask) -> PlannedTask:
        if task.arg is None:
            return task
        is_start = task.hidden and type(task.arg) in (list, tuple)
        arg = _in_writes(task.arg, leaf) if is_start else in_argument(task.arg, leaf)
        return task if arg is task.arg else replace(task, arg=arg)

    tasks = _each(plan.tasks, planned)
    return plan if tasks is plan.tasks else replace(plan, tasks=tasks)


def _in_step(step: StepCommitted, leaf: _Leaf) -> StepCommitted:
    changes = _in_dict(step.changes, lambda change: _in_change(change, leaf))
    return step if changes is step.changes else replace(step, changes=changes)


def _in_change(change: Any, leaf: _Leaf) -> Any:
    kind, *parts = change
    new = [_in_part(what, part, leaf) for what, part in zip(PARTS.get(kind, ()), parts, strict=False)]
    if all(one is other for one, other in zip(new, parts, strict=False)):
        return change
    return type(change)((kind, *new))


def _in_part(what: str, part: Any, leaf: _Leaf) -> Any:
    if what == VALUE:
        return leaf(part)
    if what == ITEMS and type(part) in (list, tuple):
        return _each(part, leaf)
    return _in_dict(part, leaf) if what == ITEMS and type(part) is dict else part


def _in_call(call: TaskCalled, leaf: _Leaf) -> TaskCalled:
    args = leaf(call.args)
    return call if args is call.args else replace(call, args=args)


def _in_cells(fact: GraphEntered, leaf: _Leaf) -> GraphEntered:
    cells = _in_dict(fact.cells, leaf)
    return fact if cells is fact.cells else replace(fact, cells=cells)


def _in_graph_kept(fact: GraphKept, leaf: _Leaf) -> GraphKept:
    """A graph of a head: those of its cells that are blobs, and what its tasks wrote."""
    blobs = {channel: leaf(how) for channel, how in fact.kept.items() if type(how) is Named}
    read = {channel: value for channel, value in blobs.items() if type(value) is not Named}
    tasks = _each(fact.tasks, lambda row: _in_task_kept(row, leaf))
    if tasks is fact.tasks and not read:
        return fact
    return replace(fact, cells={**fact.cells, **read}, tasks=tasks)


def _in_task_kept(row: TaskKept, leaf: _Leaf) -> TaskKept:
    writes = row.writes and _in_writes(row.writes, leaf)
    return row if writes is row.writes else replace(row, writes=writes)


_IN_FACTS: dict[type, Callable[[Any, _Leaf], Any]] = {
    TaskFinished: _in_fact_writes,
    RoutingStarted: _in_fact_writes,
    PlanMade: _in_plan,
    StepCommitted: _in_step,
    GraphEntered: _in_cells,
    GraphKept: _in_graph_kept,
    TaskCalled: _in_call,
}
