"""Large cells: kept in the cell store by what changes, named by task messages, gone with their graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.coordinator.test_run import START, State, graph, node, result

from drumline_coordinator.cells import Kept
from drumline_coordinator.dispatch import Dispatcher
from drumline_coordinator.effects import Effects
from drumline_coordinator.recovery import attempt_key, recover
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import Task
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_protocol import wire
from drumline_protocol.cells import CellRow as StoredRow
from drumline_protocol.cells import assemble
from drumline_protocol.codec import Codec
from drumline_protocol.limits import CELL_INLINE_BYTES_MAX, CELL_ROW_BYTES_MIN, CELL_ROWS_MAX
from drumline_protocol.messages import Refused, RunRequest, RunShared, TaskMessage, WorkersChanged

BIG = "x" * CELL_INLINE_BYTES_MAX
CODEC = Codec()
SHARED = RunShared("r1", "g", "", 0, {}, None, ("custom",), True)


class Store:
    """What the cell store holds after the effects of a run, and what they write."""

    def __init__(self, program: Any, input: Any) -> None:
        self.rows: dict[str, list[StoredRow]] = {}
        self.facts: list[Any] = []
        self.written = 0
        self.run = Run(program, SHARED, wire=True, codec=CODEC)
        self.dispatcher = Dispatcher(CODEC, CODEC.box(["shared"]))
        self.fx = self.take(self.run.start(RunRequest("r1", "g", input), 0.0))

    def take(self, fx: Effects) -> Effects:
        for row in fx.rows:
            rows = self.rows.setdefault(row.cell, [])
            if row.trims:
                rows.clear()
            assert not rows or rows[-1].version < row.version
            rows.append(StoredRow(row.version, row.parent, row.data))
            self.written += len(row.data)
        for cell in fx.dropped:
            del self.rows[cell]
        self.facts += wire.decode_facts(CODEC, wire.encode_facts(CODEC, fx.facts))
        return fx

    def handle(self, event: Any) -> Effects:
        self.fx = self.take(self.run.handle(event, 1.0))
        return self.fx

    def message(self, task: Task) -> TaskMessage:
        found: TaskMessage = wire.decode(CODEC, self.dispatcher.message(task))
        return found

    def read(self, task: Task, key: str = "l") -> Any:
        """What the worker of a task reads under a key."""
        message = self.message(task)
        if key in message.cells:
            return message.cells[key]
        cell, version, base = message.named[key]
        return assemble(CODEC, [row for row in self.rows[cell] if base <= row.version <= version], version)


def answer(task: Task, value: Any) -> Any:
    found = result(task, value)
    found.writes = CODEC.box([list(pair) for pair in found.writes])
    return found


def chain(length: int) -> Any:
    names = [START, *(f"n{index:03d}" for index in range(length))]
    return graph(*pairwise(names))


def test_a_small_cell_travels_and_a_large_one_is_named() -> None:
    store = Store(chain(3), {"l": ["small"]})
    (task,) = store.fx.dispatch
    assert store.message(task).cells == {"l": ["small"]} and not store.rows
    (task,) = store.handle(answer(task, BIG)).dispatch
    message = store.message(task)
    assert not message.cells and list(message.named) == ["l"]
    assert store.read(task) == ["small", BIG]


def test_what_is_written_follows_the_change_and_not_the_size() -> None:
    # Given a list that grows by a KiB in each of 100 steps
    store = Store(chain(100), {"l": []})
    value = ["." * 1024]
    for step in range(100):
        (task,) = store.fx.dispatch
        assert store.read(task) == value[0:1] * step
        store.handle(answer(task, value[0]))
    # Then base and deltas take what it takes
    size = len(CODEC.encode(value * 100))
    assert store.written < 1.1 * size
    kept = sum(len(row.data) for rows in store.rows.values() for row in rows)
    assert kept == store.written
    # And a log that holds what tasks wrote does not hold it again
    data = wire.encode_facts(CODEC, store.facts)
    assert len(data) < 1.6 * size


def test_a_new_owner_knows_what_is_kept_and_goes_on_with_deltas() -> None:
    store = Store(chain(20), {"l": [BIG]})
    for _ in range(5):
        store.handle(answer(store.fx.dispatch[0], "y"))
    (task,) = store.fx.dispatch
    heir = recover(store.run.program, SHARED, store.facts, {attempt_key(task.id, 1)}, CODEC)
    assert heir.state.root is not None and store.run.state.root is not None
    assert heir.state.root.kept == store.run.state.root.kept and heir.state.version == store.run.state.version
    store.run = heir
    fx = store.handle(answer(task, "z"))
    (row,) = fx.rows
    assert row.parent == heir.state.root.kept["l"].version - 1
    assert store.read(fx.dispatch[0]) == [BIG, *"yyyyy", "z"]


def test_cells_of_a_subgraph_go_with_it() -> None:
    class Compiled:
        program = chain(2)

    outer = StateGraph(State)
    outer.add_node("sub", Compiled()).add_node("after", node)
    outer.add_edge(START, "sub").add_edge("sub", "after")
    store = Store(compile_program(outer), {"l": [BIG]})
    assert len(store.rows) == 2, "one of each graph"
    for _ in range(2):
        (task,) = store.fx.dispatch
        store.handle(answer(task, "x"))
    assert list(store.rows) == [":l"]
    assert store.read(store.fx.dispatch[0]) == [BIG, BIG, "x", "x"]


def test_a_cell_that_the_store_has_lost_travels_until_it_changes() -> None:
    # Given that somebody deleted the key of a cell
    store = Store(chain(3), {"l": [BIG]})
    (task,) = store.fx.dispatch
    store.rows.clear()
    store.handle(Refused("r1", task.id, 1, "w1", "values are gone", values_gone=True))
    (again,) = store.handle(WorkersChanged(0)).dispatch
    assert again.attempt == 2 and store.message(again).cells == {"l": [BIG]}
    event = answer(again, "y")
    event.attempt = 2
    (after,) = store.handle(event).dispatch
    assert store.read(after) == [BIG, "y"] and not store.message(after).cells


def test_how_a_cell_is_kept_stands_in_the_state() -> None:
    store = Store(chain(2), {"l": [BIG]})
    assert store.run.state.root is not None
    kept = store.run.state.root.kept["l"]
    size = len(CODEC.encode([BIG]))
    assert kept == Kept(1, 1, 1, size, size)


def test_a_value_that_is_replaced_bit_by_bit_gets_a_new_base() -> None:
    kept: Kept | None = Kept(1, 1, 1, 10_000, 10_000)
    deltas = 0
    while kept is not None:
        deltas += 1
        kept = kept.with_delta(deltas + 1, 1_000, grows=False)
    assert deltas == 11, "ten deltas double what is read"


@pytest.mark.parametrize(("size", "rows_max"), [(CELL_ROW_BYTES_MIN // 2, CELL_ROWS_MAX), (1_000, 5 * CELL_ROWS_MAX)])
def test_many_short_versions_get_a_new_base_and_long_ones_do_not(size: int, rows_max: int) -> None:
    kept: Kept | None = Kept(1, 1, 1, 10_000, 10_000)
    for version in range(2, rows_max + 1):
        assert kept is not None
        kept = kept.with_delta(version, size, grows=True)
    assert kept is not None and (kept.base, kept.rows) == (1, rows_max)
    assert (kept.with_delta(rows_max + 1, size, grows=True) is None) == (size < CELL_ROW_BYTES_MIN)
