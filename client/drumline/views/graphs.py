"""What a view knows of each graph of a run and of each open task. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from drumline_graph.constants import BRANCH_PREFIX, JOIN_PREFIX, PUSH, START, TASKS
from drumline_graph.delta import Change, patch, patched, store
from drumline_graph.managed import IsLastStepManager, RemainingStepsManager
from drumline_graph.superstep import path_key_of
from drumline_graph.types import Send
from drumline_protocol.cells import CellAt, cell_name
from drumline_protocol.codec import Boxed, unbox
from drumline_protocol.codec_derived import Derived, may_derive, open_derived
from drumline_protocol.facts import GraphEntered, GraphPaused, NodeSketch, PlanMade, PlannedTask, Sketch, StepCommitted
from drumline_protocol.graph_paths import child_path
from drumline_protocol.metadata import metadata_below, task_metadata
from drumline_protocol.step_changes import decoded_changes

Mappers = Callable[[str, str], Callable[[Any], Any] | None]


class GraphView:
    """The state of one graph as its facts tell it.

    `keys` are those that `values` and `updates` show; `shown` tells whether the graph's events are asked for;
    `called` marks a graph that a node called itself, of which a client knows no more than its facts tell. `output` is
    what the graph returns if it ended now, kept only if somebody asks for `output`.
    """

    __slots__ = (
        "_finished",
        "_made_of",
        "_named",
        "_shown_keys",
        "called",
        "cells",
        "keys",
        "leaving",
        "metadata",
        "ns",
        "output",
        "output_keys",
        "path",
        "plan",
        "shown",
        "sketch",
        "sketches",
        "step",
        "tags",
        "task",
        "tasks",
    )

    def __init__(
        self,
        entered: GraphEntered,
        sketches: dict[str, Sketch],
        metadata: dict[str, Any],
        tags: tuple[str, ...],
        *,
        keys: Any = None,
        whole: bool = False,
        called: bool = False,
        shown: bool = True,
    ) -> None:
        self.ns = entered.ns
        self.path = entered.path
        self.task = entered.task
        self.sketches = sketches
        self.sketch = sketch = sketches[entered.path]
        self.metadata = metadata
        self.tags = tags
        self.called = called
        self.shown = shown
        self.cells = dict(entered.cells)
        self.step = 0
        self.tasks: list[str] = []
        #: its open superstep, if what tasks get is shown
        self.plan: PlanMade | None = None
        #: what the tasks of the open superstep have written, each behind the key that writes are ordered by
        self._finished: list[tuple[str, Any]] = []
        #: what arguments of Sends are made of: those of the open superstep's tasks, and those that these tasks made
        self._made_of: dict[CellAt, Any] = {}
        self._named: dict[CellAt, Any] = {}
        if keys is None:
            keys = sketch.stream_keys if whole else sketch.output_keys
        else:
            _check_keys(keys, sketch)
        self.keys: Any = keys if isinstance(keys, str) else list(keys)
        self._shown_keys = _key_set(self.keys)
        self.output_keys = _key_set(sketch.output_keys)
        self.output: Any = None
        #: commands of its tasks will leave it: then it returns nothing
        self.leaving = False

    @classmethod
    def below(cls, entered: GraphEntered, parent: GraphView, *, shown: bool) -> GraphView:
        """The graph that is a node of `parent`."""
        node = parent.sketch.nodes.get(entered.ns[-1].partition(":")[0])
        return cls(
            entered,
            parent.sketches,
            metadata_below(parent.metadata, node.metadata if node else None, entered.ns),
            parent.tags,
            called=parent.called,
            shown=shown,
        )

    def commit(self, fact: StepCommitted | GraphPaused) -> None:
        """Fold what a superstep changed into the state, or would change: with a pause the run ends."""
        changed = fact.cells if type(fact) is StepCommitted else None
        if changed is None:
            changed = patched(self.cells, decoded_changes(fact.changes, self._written))
        store(self.cells, changed)
        self._finished.clear()
        self._made_of, self._named = self._named, {}

    def note_made_of(self, older: dict[CellAt, Any]) -> None:
        """The arguments of the open superstep's tasks are made of these versions, which the cells do not hold now."""
        self._made_of = older

    def note_finished(self, task: PlannedTask, writes: Any, *, arguments: bool = True) -> None:
        """Keep what a task wrote until its superstep is over: the changes may refer to it.

        `arguments`: those of its Sends will be asked for. DecodeError, KeyError for one that is damaged.
        """
        if arguments and (type(writes) is not Boxed or may_derive(writes.data)):
            writes = self._with_arguments(unbox(writes))
        self._finished.append((path_key_of(task.path), writes))

    def _with_arguments(self, writes: Any) -> Any:
        """What a task of the open superstep wrote, with the arguments of its Sends made of the values they name.

        A task names what it was handed: cells, as they are until its superstep is over, and what its own argument was
        made of.
        """
        if not any(
            channel == TASKS and type(value) is Send and type(value.arg) is Derived for channel, value in writes
        ):
            return writes
        return [[channel, self._with_argument(value) if channel == TASKS else value] for channel, value in writes]

    def _with_argument(self, value: Any) -> Any:
        arg = getattr(value, "arg", None)
        if type(arg) is not Derived:
            return value
        before = cell_name(self.ns, "")
        for at in arg.cells:
            self._named[at] = self._made_of[at] if at in self._made_of else self.cells[at.cell.removeprefix(before)]

        def fill(number: int, change: Change | None) -> Any:
            origin = arg.origins[number]
            found = self._named[origin] if type(origin) is CellAt else origin
            return found if change is None else patch(found, change)

        return Send(value.node, open_derived(arg, fill), timeout=value.timeout)

    def _written(self, channel: str) -> list[Any]:
        finished = sorted(self._finished, key=itemgetter(0))
        return [value for _, writes in finished for name, value in unbox(writes) if name == channel]

    def shows(self, written: Sequence[str]) -> bool:
        """Whether a superstep that wrote these keys is worth a `values` item."""
        return self.shown and not self._shown_keys.isdisjoint(written)

    def values(self) -> Any:
        """The payload of `values`: a dict of the keys that hold something, or the bare value of a single key."""
        return self._read(self.keys)

    def note_output(self, written: Sequence[str]) -> None:
        """Keep what the graph would return, if this superstep wrote any of it."""
        if not self.output_keys.isdisjoint(written):
            self.output = self.returned()

    def returned(self) -> Any:
        """What the graph returns if it ends with the state that it has."""
        return self._read(self.sketch.output_keys)

    def whole_values(self) -> Any:
        """The whole state: all keys that hold something."""
        return self._read(self.sketch.stream_keys)

    def _read(self, keys: Any) -> Any:
        cells = self.cells
        if isinstance(keys, str):
            return cells.get(keys)
        return {key: cells[key] for key in keys if key in cells}

    def narrowed(self, values: Any) -> Any:
        """The values that another engine shows of this graph, cut down to what the graph returns."""
        keys = self.sketch.output_keys
        if isinstance(self.sketch.stream_keys, str) or not isinstance(values, dict):
            return values
        return values.get(keys) if isinstance(keys, str) else {key: values[key] for key in keys if key in values}

    def node(self, name: str) -> NodeSketch | None:
        """What is known of a node; None for the hidden START."""
        return self.sketch.nodes.get(name)

    def metadata_of(self, task: PlannedTask) -> dict[str, Any]:
        """The metadata of a task of this graph."""
        node = self.node(task.name)
        return task_metadata(
            self.metadata,
            node.metadata if node else None,
            step=self.step,
            name=task.name,
            triggers=task.triggers,
            path=task.path,
            ns=(*self.ns, f"{task.name}:{task.id}"),
        )

    def metadata_of_output(self, task: PlannedTask) -> dict[str, Any]:
        """The metadata of messages that the graph in a task returned.

        A graph that has the name of its node speaks for the node, as LangGraph sees it: then they are the graph's.
        """
        metadata = self.metadata_of(task)
        below = self.sketches.get(child_path(self.path, task.name))
        if below is None or below.name != task.name:
            return metadata
        return metadata_below(metadata, None, (*self.ns, f"{task.name}:{task.id}"))

    def input_of(self, fact: PlanMade, index: int, mappers: Mappers | None) -> Any:
        """What the task's node gets: the very object (embedded), or the same read again from the folded state."""
        if fact.inputs is not None:
            return fact.inputs[index]
        task = fact.tasks[index]
        if task.path[0] == PUSH:
            sends, place = self.cells.get(TASKS, ()), task.path[1]
            return sends[place].arg if place < len(sends) else task.arg
        if task.name == START:
            return task.arg
        reads = self.sketch.nodes[task.name].reads
        if isinstance(reads, str):
            return self.cells.get(reads)
        value: Any = {key: self.cells[key] for key in reads if key in self.cells}
        for key, kind in self.sketch.managed.items():
            if key in reads and kind in _MANAGED:
                value[key] = _MANAGED[kind].get(fact.step, fact.stop)
        build = None if mappers is None or self.called else mappers(self.path, task.name)
        return value if build is None else build(value)


_MANAGED = {manager.__name__: manager for manager in (IsLastStepManager, RemainingStepsManager)}


def _key_set(keys: Any) -> frozenset[str]:
    return frozenset((keys,) if isinstance(keys, str) else keys)


def _check_keys(keys: Any, sketch: Sketch) -> None:
    """ValueError for a key that the graph does not have. Channels of edges pass, as in LangGraph: they show nothing."""
    known = _key_set(sketch.stream_keys)
    for key in sorted(_key_set(keys) - known):
        if not key.startswith(("__", BRANCH_PREFIX, JOIN_PREFIX)):
            raise ValueError(
                f"Key {key!r} of output_keys is not in channels of graph {sketch.name!r}: {', '.join(sorted(known))}"
            )


class OpenTask:
    """A task of an open superstep.

    `output` is what the subgraph in it returned. After a retraction the new attempt's events are left out as long as
    they repeat the old ones byte for byte. `calls` holds the metadata of its model calls by their number; they stay
    over a retraction, because the item that brings them may be one of those left out. `taken_back` are ids of messages
    that only events beyond the first difference had shown. `calls_graphs` tells that its node has called a graph.
    """

    __slots__ = (
        "_repeat",
        "_shown",
        "_told",
        "calls",
        "calls_graphs",
        "failed",
        "graph",
        "ns",
        "output",
        "planned",
        "taken_back",
    )

    #: whether it is a called `@task`
    is_call = False

    def __init__(self, graph: GraphView, planned: PlannedTask) -> None:
        self.graph = graph
        #: the namespace of its custom events
        self.ns = graph.ns
        self.planned = planned
        self.output: Any = None
        self.calls: dict[int, dict[str, Any]] = {}
        self.taken_back: list[str] = []
        self.calls_graphs = False
        #: whether the run has told that it failed
        self.failed = False
        self._shown: dict[int, str] = {}
        self._told: list[int] | None = None
        self._repeat = -1

    def repeats(self, raw: bytes) -> bool:
        """Whether this event was told already, by an attempt that was retracted since."""
        told, at = self._told, self._repeat
        if told is None:
            told = self._told = []
        digest = hash(raw)
        if 0 <= at < len(told):
            if told[at] == digest:
                self._repeat = at + 1
                return True
            del told[at:]
            self.taken_back = [self._shown.pop(index) for index in list(self._shown) if index >= at]
        self._repeat = -1
        told.append(digest)
        return False

    def note_shown(self, id_: str) -> None:
        """The event that was told last was the first to show the message `id_`."""
        if self._told is not None:
            self._shown[len(self._told) - 1] = id_

    def retract(self) -> None:
        """The attempt is retracted: compare what comes next with what was told."""
        self._repeat = 0

    def begin_try(self) -> None:
        """The node is tried again. What it said stays; a later attempt is compared with what it says from now on."""
        self._told, self._repeat = None, -1
        self._shown.clear()

    def forget_told(self) -> None:
        """All that was told of the task is as good as unknown: nothing that comes next counts as a repeat of it."""
        self._told, self._repeat = [], -1
        self.taken_back = list(self._shown.values())
        self._shown.clear()
