"""What a view knows of each graph of a run and of each open task. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline_graph.delta import patch
from drumline_graph.constants import START
from drumline_graph.channels.base import MISSING
from drumline_protocol.facts import GraphEntered, PlanMade, Sketch, StepCommitted


class GraphView:
    """The state of one graph as its facts tell it.

    `keys` are those that `values` and `updates` show: by default all of the state (`whole`), or the output schema's.
    """

    __slots__ = ("_shown", "cells", "keys", "path", "sketch", "step")

    def __init__(
        self,
        entered: GraphEntered,
        sketches: dict[str, Sketch],
        *,
        whole: bool,
        keys: str | Sequence[str] | None,
    ) -> None:
        self.path = entered.path
        self.sketch = sketches[entered.path]
        self.cells = dict(entered.cells)
        self.step = 0
        default = self.sketch.stream_keys if whole else self.sketch.output_keys
        self.keys: Any = default if keys is None else keys if isinstance(keys, str) else list(keys)
        self._shown = frozenset((self.keys,) if isinstance(self.keys, str) else self.keys)

    def commit(self, fact: StepCommitted) -> None:
        """Fold what a superstep changed into the state."""
        cells = self.cells
        for channel, change in fact.changes.items():
            if change[0] == "s":
                cells[channel] = change[1]
                continue
            cell = patch(cells.get(channel, MISSING), change)
            if cell is MISSING:
                cells.pop(channel, None)
            else:
                cells[channel] = cell

    def shows(self, written: Sequence[str]) -> bool:
        """Whether a superstep that wrote these keys is worth a `values` item."""
        return not self._shown.isdisjoint(written)

    def values(self) -> Any:
        """The payload of `values`: a dict of the keys that hold something, or the bare value of a single key."""
        cells, keys = self.cells, self.keys
        if isinstance(keys, str):
            return cells.get(keys)
        return {key: cells[key] for key in keys if key in cells}

    def input_of(
        self, fact: PlanMade, index: int, mapper: Callable[[str], Callable[[Any], Any] | None]
    ) -> Any:
        """What the task's node gets: the very object (embedded), or the same read again from the folded state."""
        if fact.inputs is not None:
            return fact.inputs[index]
        task = fact.tasks[index]
        if task.name == START or task.path[0] == "__pregel_push":
            return task.arg
        node = self.sketch.nodes[task.name]
        reads = node.reads
        if isinstance(reads, str):
            return self.cells.get(reads)
        value: Any = {key: self.cells[key] for key in reads if key in self.cells}
        for key, kind in self.sketch.managed.items():
            if key in reads:
                left = fact.stop - fact.step
                value[key] = left == 1 if kind == "IsLastStep" else left
        build = mapper(task.name)
        return value if build is None else build(value)


class OpenTask:
    """A task of an open superstep. `shown` tells whether its graph's events are asked for.

    After a retraction the new attempt's events are left out as long as they repeat the old ones byte for byte.
    """

    __slots__ = ("_repeat", "_told", "hidden", "name", "ns", "shown")

    def __init__(self, ns: tuple[str, ...], name: str, hidden: bool, shown: bool) -> None:
        self.ns = ns
        self.name = name
        self.hidden = hidden
        self.shown = shown
        self._told: list[int] = []
        self._repeat = -1

    def repeats(self, raw: bytes) -> bool:
        """Whether this event was told already, by an attempt that was retracted since."""
        told, at = self._told, self._repeat
        digest = hash(raw)
        if 0 <= at < len(told):
            if told[at] == digest:
                self._repeat = at + 1
                return True
            del told[at:]
            self._repeat = -1
        told.append(digest)
        return False

    def retract(self) -> None:
        """The attempt is void: compare what comes next with what was told."""
        self._repeat = 0
