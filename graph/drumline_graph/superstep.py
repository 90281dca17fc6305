"""The superstep: which tasks run next (`plan`), and how their writes become the next state (`apply`).

This is LangGraph's algorithm (bulk-synchronous: plan, run all, merge all at once) on immutable data: `plan` reads a
`State`, `apply` reads a `State` and gives the changes, and only `State.advance` stores them. So a superstep that fails
leaves no trace, and a coordinator can commit the changes before it believes them.

Rules that clients can see (docs/semantics.md §3.2-3.4):

- A node runs at most once per superstep however many edges fired, plus once for each `Send` to it.
- Tasks are ordered PUSH by Send index, then PULL by node name. Writes are merged in the order of the path *string*, so
  ordinary tasks before Sends, whatever finished first.
- A deferred node runs only when nothing else would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

from drumline_graph.channels.base import MISSING, UNCHANGED
from drumline_graph.channels.private import merged
from drumline_graph.constants import PUSH, TASKS
from drumline_graph.errors import InvalidUpdateError
from drumline_graph.merges import Merges
from drumline_graph.program import Node, Program
from drumline_graph.types import Send

PUSH_TRIGGERS = (PUSH,)
_PUSH_KEY_START = f"~{PUSH}, "
_NEVER: dict[str, int] = {}
_by_path_key = attrgetter("path_key")


class Done(Protocol):
    """A finished task as `apply` needs it. `writes` are its (channel, value) pairs, in order."""

    @property
    def name(self) -> str: ...
    @property
    def path_key(self) -> str: ...
    @property
    def triggers(self) -> Sequence[str]: ...
    @property
    def writes(self) -> Sequence[tuple[str, Any]]: ...


@dataclass(slots=True)
class Planned:
    """A task due in the next superstep. `input` is the node's mapped input, or the Send's arg verbatim."""

    name: str
    path: tuple[Any, ...]
    path_key: str
    triggers: tuple[str, ...]
    input: Any


@dataclass(slots=True)
class Applied:
    """What a superstep changes: new cells (MISSING: cleared), channels that may trigger, keys written."""

    changes: dict[str, Any]
    updated: set[str]
    written: tuple[str, ...]


def path_key_of(path: Iterable[Any]) -> str:
    """A task path as the string that tasks are sorted by.

    Integers are zero-padded to 10 digits, so that the 10th Send comes after the 2nd.
    """
    return "~" + ", ".join(
        f"{part:010d}" if isinstance(part, int) else path_key_of(part) if isinstance(part, (tuple, list)) else str(part)
        for part in path
    )


class State:
    """Values of a run between supersteps. Plain data in four fields; it holds no spec and no callable.

    `merges` is beside them: what the commit of the superstep need not do again.

    `cells` has no entry for a channel that holds nothing. `versions` counts changes on one clock (`top` is its highest
    value). `seen[node][channel]` is the version a node has already run for.
    """

    __slots__ = ("cells", "merges", "seen", "top", "versions")

    def __init__(
        self,
        cells: dict[str, Any],
        versions: dict[str, int],
        seen: dict[str, dict[str, int]],
        top: int,
    ) -> None:
        self.cells = cells
        self.versions = versions
        self.seen = seen
        self.top = top
        self.merges = Merges()

    @classmethod
    def initial(cls, program: Program) -> State:
        """State of a run that was given no input yet: reducers hold their empty values."""
        cells = {name: cell for name, channel in program.channels.items() if (cell := channel.initial()) is not MISSING}
        return cls(cells, {}, {}, 0)

    def copy(self) -> State:
        """An independent State that shares the values in the cells."""
        seen = {name: dict(versions) for name, versions in self.seen.items()}
        return State(dict(self.cells), dict(self.versions), seen, self.top)

    def read(self, program: Program, keys: list[str] | str, *, step: int = 0, stop: int = 0) -> Any:
        """Dict of those `keys` that hold something; for a single key its bare value, or MISSING.

        Managed values among the keys are computed from `step` (the superstep that will read them) and `stop` (a run
        that is not done before this superstep fails; see `managed`).
        """
        cells = self.cells
        if isinstance(keys, str):
            return _read_one(program, cells, keys, step, stop)
        if program.special_keys:
            values = {key: _read_one(program, cells, key, step, stop) for key in keys}
            return {key: value for key, value in values.items() if value is not MISSING}
        return {key: cells[key] for key in keys if key in cells}

    def advance(
        self,
        program: Program,  # noqa: ARG002
        changes: dict[str, Any],
        ran: Iterable[tuple[str, Sequence[str]]],
        number: int = 0,
    ) -> None:
        """Store the changes of a superstep and remember for which versions its tasks ran.

        `ran` has a (node name, triggers) pair for each task; give it also for tasks that wrote nothing. `number` is the
        version of what changed, above all earlier ones; 0: one more than the last.
        """
        versions, seen = self.versions, self.seen
        self.merges.clear()
        for name, triggers in ran:
            known = seen.get(name)
            if known is None:
                known = seen[name] = {}
            for channel in triggers:
                version = versions.get(channel)
                if version is not None:
                    known[channel] = version
        if not changes:
            return
        self.top = top = number or self.top + 1
        cells = self.cells
        for channel, cell in changes.items():
            versions[channel] = top
            if cell is not MISSING:
                cells[channel] = cell
            elif channel in cells:
                del cells[channel]


def _read_one(program: Program, cells: dict[str, Any], key: str, step: int, stop: int) -> Any:
    cell = cells.get(key, MISSING)
    if cell is MISSING:
        managed = program.managed.get(key)
        return MISSING if managed is None else managed.get(step, stop)  # type: ignore[attr-defined]
    if key in program.special:
        channel = program.channels[key]
        return channel.read(cell) if channel.available(cell) else MISSING
    return cell


def plan(program: Program, state: State, updated: set[str] | None, *, step: int, stop: int) -> list[Planned]:
    """Tasks of superstep `step`: first one for each Send, then one for each triggered node, by name.

    `updated` is what the last `apply` said (None: unknown, every node is looked at). `stop` is the step at which the
    recursion limit ends the run; only managed values use it. The hidden `__start__` node is never planned. Raises what
    building a node's input schema raises (pydantic validation), and InvalidUpdateError for a Send to an unknown node.
    """
    tasks: list[Planned] = []
    nodes = program.nodes
    sends = state.cells.get(TASKS)
    if sends:
        for index, send in enumerate(sends):
            tasks.append(_push(program, index, send))
    if updated is None:
        candidates: Iterable[str] = program.nodes
    else:
        triggered = program.trigger_to_nodes
        names: list[str] = []
        for channel in updated:
            if channel in triggered:
                names += triggered[channel]
        # Two edges into one node in one superstep are one run: hence the set.
        candidates = sorted(set(names)) if len(names) > 1 else names
    for name in candidates:
        if name not in nodes or not _is_triggered(program, state, node := nodes[name]):
            continue
        value = state.read(program, node.input_keys, step=step, stop=stop)
        if value is MISSING:  # only for unkeyed states: nothing was written yet
            continue
        if node.mapper is not None:
            value = node.mapper(value)
        tasks.append(Planned(name, node.path, node.path_key, node.triggers, value))
    return tasks


def _is_triggered(program: Program, state: State, node: Node) -> bool:
    cells, versions, special = state.cells, state.versions, program.special
    seen = state.seen.get(node.name, _NEVER)
    for channel in node.triggers:
        if channel not in cells or versions.get(channel, 0) <= seen.get(channel, 0):
            continue
        if channel not in special or program.channels[channel].available(cells[channel]):
            return True
    return False


def _push(program: Program, index: int, send: Any) -> Planned:
    if not isinstance(send, Send):
        raise InvalidUpdateError(
            f"Channel {TASKS!r} holds {send!r} at index {index}, which is not a Send. Only Send objects may be written "
            "there; return them from a router or in Command(goto=...)."
        )
    if send.node not in program.nodes:
        raise InvalidUpdateError(
            f"A Send names node {send.node!r}, which graph {program.name!r} does not have. "
            f"Known nodes: {', '.join(sorted(program.nodes))}."
        )
    key = f"{_PUSH_KEY_START}{index:010d}, 0000000000"
    return Planned(send.node, (PUSH, index, False), key, PUSH_TRIGGERS, send.arg)


def apply(program: Program, state: State, done: Sequence[Done]) -> Applied:
    """Merge the writes of all finished tasks of a superstep. Pure: neither state nor writes are changed, also not by
    reducers that change their arguments in place, and also not when it fails.

    Give the result's `changes` to `State.advance` (with what ran) and its `updated` to `plan`. A step without triggers
    (writes from outside the graph) does not count as a superstep: nothing expires and no deferred node is released.
    Raises InvalidUpdateError, naming channel and writers, when a channel cannot take its writes; whatever a user's
    reducer raises passes through.
    """
    tasks = sorted(done, key=_by_path_key) if len(done) > 1 else done
    cells, channels = state.cells, program.channels
    changes: dict[str, Any] = {}
    consumable = program.consumable
    is_superstep = False
    groups: dict[str, list[Any]] = {}
    for task in tasks:
        if task.triggers:
            is_superstep = True
            if consumable:
                _consume(program, cells, changes, task.triggers)
        for name, value in task.writes:
            if name in groups:
                groups[name].append(value)
            else:
                groups[name] = [value]
    updated: set[str] = set()
    written: list[str] = []
    state_keys, special = program.state_keys, program.special
    for name, values in groups.items():
        if name not in channels:
            continue  # not a key of this graph's state: dropped, as in LangGraph
        channel = channels[name]
        cell = changes[name] if name in changes else cells.get(name, MISSING)
        try:
            if (known := state.merges.find(name, cell, values)) is not MISSING:
                cell = known
            else:
                cell = merged(channel, cell, values) if channel.user_made else channel.update(cell, values)
        except InvalidUpdateError as error:
            raise _named(error, name, tasks) from error
        if name in state_keys:
            written.append(name)
        if cell is UNCHANGED:
            continue
        changes[name] = cell
        if cell is not MISSING and (name not in special or channel.available(cell)):
            updated.add(name)
    if is_superstep:
        _expire(program, cells, changes, updated)
        if program.finishing and updated.isdisjoint(program.trigger_to_nodes) and not _begins(program, updated):
            _finish(program, cells, changes, updated)
    if len(written) > 1:
        written.sort()
    return Applied(changes, updated, tuple(written))


def _begins(program: Program, updated: set[str]) -> bool:
    """Whether START runs next: the graph of a thread was given an input."""
    return not updated.isdisjoint(program.start.triggers)


def _consume(program: Program, cells: dict[str, Any], changes: dict[str, Any], triggers: Sequence[str]) -> None:
    """Reset the joins and deferred edges that the task was triggered by."""
    for name in triggers:
        if name in program.consumable and name not in changes and name in cells:
            cell = cells[name]
            consumed = program.channels[name].consume(cell)
            if consumed is not cell:
                changes[name] = consumed


def _expire(program: Program, cells: dict[str, Any], changes: dict[str, Any], updated: set[str]) -> None:
    """Clear what lives for one superstep only and was not written in this one."""
    volatile = program.volatile
    # Not over all volatile channels: each node has one, and only those that were just fired hold a cell.
    for name in (*cells, *changes):
        if name not in volatile or name in updated:
            continue
        cell = changes[name] if name in changes else cells[name]
        if cell is MISSING:
            continue
        expired = program.channels[name].expire(cell)
        if expired is not cell:
            changes[name] = expired
            if expired is not MISSING:
                updated.add(name)


def _finish(program: Program, cells: dict[str, Any], changes: dict[str, Any], updated: set[str]) -> None:
    """Nothing would run next: let deferred edges show what they hold."""
    for name in program.finishing:
        cell = changes[name] if name in changes else cells.get(name, MISSING)
        if cell is MISSING:
            continue
        channel = program.channels[name]
        finished = channel.finish(cell)
        if finished is not cell:
            changes[name] = finished
            if channel.available(finished):
                updated.add(name)


def _named(error: InvalidUpdateError, channel: str, tasks: Sequence[Done]) -> InvalidUpdateError:
    writers = ", ".join(repr(task.name) for task in tasks if any(name == channel for name, _ in task.writes))
    return InvalidUpdateError(f"At key {channel!r}, written by {writers}: {error}")
