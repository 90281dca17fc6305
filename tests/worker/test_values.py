"""What a task message names is in its place when the node runs: read once, only what is lacking, and nobody else's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from drumline_graph.constants import TASKS
from drumline_graph.errors import DrumlineError
from drumline_graph.types import Send
from drumline_protocol.cells import CellRow, encode_change
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import CellMissing
from drumline_protocol.messages import RunShared, TaskMessage
from drumline_protocol.named import Named
from drumline_protocol.seen_cells import Seen
from drumline_transport.cell_cache import Cache
from drumline_worker.values import Values

LARGE = 64 * 1024 * 1024


@dataclass
class Own:
    n: int


CODEC = Codec(TypeTable().with_types([Own]))
SHARED = RunShared("run", "g", "f", 3, {}, None, (), True)


class Store:
    """The cells and blobs of one partition, and what was read of them."""

    def __init__(self) -> None:
        self.rows: dict[str, list[CellRow]] = {}
        self.blobs: dict[str, bytes] = {}
        self.reads: list[Any] = []

    def base(self, version: int, value: Any, cell: str = ":m") -> None:
        self.rows.setdefault(cell, []).append(CellRow(version, 0, CODEC.encode(value)))

    def delta(self, version: int, parent: int, *change: Any, cell: str = ":m") -> None:
        self.rows.setdefault(cell, []).append(CellRow(version, parent, encode_change(CODEC, change)))

    def read(self, p: int, cells: Any, blobs: Any) -> Any:
        assert p == SHARED.partition
        self.reads.append(([(*each,) for each in cells], list(blobs)))
        found = [
            [row for row in self.rows.get(cell, ()) if after < row.version <= upto]
            for owner, cell, after, upto in cells
            if owner == "run"
        ]
        return found, [self.blobs.get(blob) for blob in blobs]

    def asked(self) -> list[Any]:
        """What was read since the last time: `(after, upto)` of cells."""
        found = [[(after, upto) for _, _, after, upto in cells] for cells, _ in self.reads]
        self.reads.clear()
        return found


def message(**changes: Any) -> TaskMessage:
    fields: dict[str, Any] = {"cells": {}, **changes}
    return TaskMessage(None, (), "n", "t", 1, 1, 25, ("p",), (), "run", **fields)


def at(values: Values, version: int, base: int, cell: str = ":m") -> Any:
    return values.inputs(CODEC, SHARED, message(named={"m": (cell, version, base)})).cells["m"]


def test_a_cell_that_grows_is_read_once_and_then_by_its_deltas() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [1])
    assert at(values, 1, 1) == [1]
    assert store.asked() == [[(0, 1)]]
    assert at(values, 1, 1) == at(values, 1, 1) == [1]
    assert store.asked() == [], "it is known"
    for version in range(2, 9):
        store.delta(version, version - 1, "+", [version])
        if version % 2:
            assert at(values, version, 1) == list(range(1, version + 1))
            assert store.asked() == [[(version - 2, version)]], "no more than what changed since"


def test_a_new_base_replaces_all_that_was_known_and_rows_before_it_are_not_read() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [1])
    at(values, 1, 1)
    store.base(5, ["new"])
    store.delta(6, 5, "+", ["er"])
    store.asked()
    assert at(values, 6, 5) == ["new", "er"]
    assert store.asked() == [[(4, 6)]]
    store.base(8, ["newest"])
    assert at(values, 8, 8) == ["newest"] and at(values, 8, 8) == ["newest"]
    assert store.asked() == [[(7, 8)]]


def test_another_branch_is_read_from_its_base() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [1])
    store.delta(2, 1, "+", ["a"])
    store.delta(3, 1, "+", ["b"])
    store.delta(4, 3, "+", ["c"])
    assert at(values, 2, 1) == [1, "a"]
    store.asked()
    assert at(values, 4, 1) == [1, "b", "c"]
    assert store.asked() == [[(2, 4)], [(0, 4)]]
    assert at(values, 2, 1) == [1, "a"], "an older version does not take the place of the newer one"
    assert store.asked() == [[(0, 2)]]
    assert at(values, 4, 1) == [1, "b", "c"] and store.asked() == []


@pytest.mark.parametrize("known", [False, True])
def test_a_version_whose_rows_were_trimmed_is_told(known: bool) -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [1])
    store.delta(2, 1, "+", [2])
    if known:
        assert at(values, 2, 1) == [1, 2]
    store.base(4, [1, 2, 3])
    del store.rows[":m"][:2]
    with pytest.raises(CellMissing):
        at(values, 3, 1)
    if known:
        assert at(values, 2, 1) == [1, 2], "what is known need not be there"


def test_blobs_stand_for_cells_arguments_and_writes_and_all_is_read_in_one_trip() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, ["cell"])
    store.blobs = {name: CODEC.encode({"blob": name}) for name in ("a", "b", "c", "d")}
    asked = message(
        cells={"small": 1, "whole": Named("a", 9)},
        named={"m": (":m", 1, 1)},
        arg=Named("b", 9),
        writes=[["x", Named("c", 9)], [TASKS, Send("n", Named("a", 9))], ["y", 2]],
        blobs={"old": "d"},
    )
    for trips in (1, 0, 0):
        found = values.inputs(CODEC, SHARED, asked)
        assert found.cells == {"small": 1, "whole": {"blob": "a"}, "m": ["cell"], "old": {"blob": "d"}}
        assert found.arg == {"blob": "b"}
        assert found.writes == [["x", {"blob": "c"}], [TASKS, Send("n", {"blob": "a"})], ["y", 2]]
        assert len(store.asked()) == trips
        found.cells["whole"]["spoiled"] = found.arg["spoiled"] = found.writes[0][1]["spoiled"] = True
        found.cells["m"].append("spoiled")
    assert type(asked.arg) is Named, "the message itself stays"


def test_a_message_without_names_reads_nothing_and_keeps_its_own_dict() -> None:
    store = Store()
    asked = message(cells={"a": [1]}, arg=[2], writes=[["x", 1]])
    found = Values(store.read, LARGE).inputs(CODEC, SHARED, asked)
    assert (found.cells, found.arg, found.writes) == (asked.cells, asked.arg, asked.writes)
    assert found.cells is not asked.cells and store.reads == []


def test_a_blob_that_is_gone_is_told_and_may_come() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    with pytest.raises(DrumlineError, match=r"gone from the broker \(blob b\)"):
        values.inputs(CODEC, SHARED, message(arg=Named("b", 9)))
    store.blobs["b"] = CODEC.encode(7)
    assert values.inputs(CODEC, SHARED, message(arg=Named("b", 9))).arg == 7


@pytest.mark.parametrize("grown", [["+", [Own(2)]], ["s", [Own(1), Own(2)]]])
def test_values_that_cannot_be_cloned_are_decoded_for_each_task(grown: Any) -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [Own(1)])
    for _ in range(4):
        found = at(values, 1, 1)
        assert found == [Own(1)]
        found[0].n = "spoiled"
    store.delta(2, 1, *grown)
    for _ in range(3):
        found = at(values, 2, 1)
        assert found == [Own(1), Own(2)]
        found[1].n = "spoiled"
    assert store.asked() == [[(0, 1)], [(1, 2)]]


def test_a_value_that_was_cloned_and_then_gets_what_cannot_be_is_read_again() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, [1])
    at(values, 1, 1), at(values, 1, 1)
    store.delta(2, 1, "+", [Own(2)])
    store.asked()
    for _ in range(3):
        found = at(values, 2, 1)
        assert found == [1, Own(2)]
        found[1].n = "spoiled"
    assert store.asked() == [[(1, 2)], [(0, 2)]]
    store.delta(3, 2, "+", [3])
    assert at(values, 3, 1) == [1, Own(2), 3] and store.asked() == [[(2, 3)]]


def test_what_is_seen_of_one_run_and_graph_is_not_that_of_another() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    store.base(1, ["mine"])
    assert at(values, 1, 1) == ["mine"]
    other = RunShared("other", "g", "f", 3, {}, None, (), True)
    with pytest.raises((CellMissing, ValueError)):  # the store has nothing of that run
        values.inputs(CODEC, other, message(named={"m": (":m", 1, 1)}))
    graph = RunShared("run", "g2", "f", 3, {}, None, (), True)
    store.asked()
    values.inputs(CODEC, graph, message(named={"m": (":m", 1, 1)}))
    assert len(store.asked()) == 1


@pytest.mark.parametrize("kind", ["cell", "blob"])
def test_what_is_seen_of_an_owner_that_was_deleted_is_not_that_of_the_next_one_of_its_name(kind: str) -> None:
    stores = [Store(), Store()]
    values = Values(lambda *asked: stores[0].read(*asked), LARGE)
    for made in (1, 2):
        store = stores[0]
        store.base(1, [f"of life {made}"])
        store.blobs["run:t-1-1"] = CODEC.encode(f"of life {made}")
        shared = RunShared("run", "g", "f", 3, {}, None, (), True, made=made)
        for _ in range(2):  # the second time it is kept decoded
            if kind == "cell":
                found = values.inputs(CODEC, shared, message(named={"m": (":m", 1, 1)})).cells["m"]
                assert found == [f"of life {made}"]
            else:
                assert values.inputs(CODEC, shared, message(arg=Named("run:t-1-1", 5))).arg == f"of life {made}"
        del stores[0]


# -- the budget -------------------------------------------------------------------------------------


def seen(version: int, size: int) -> Seen:
    return Seen(version, size, (CellRow(version, 0, b""),))


def test_what_was_used_last_stays_longest() -> None:
    cache = Cache(2000)
    for name in ("a", "b"):
        cache.put(name, seen(1, 500))
    assert cache.get("a") is not None
    cache.put("c", seen(1, 500))
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]
    assert cache.bytes == sum(found.weight for name in "ac" if (found := cache.get(name)))
    cache.put("large", seen(1, 2001))
    assert cache.get("large") is None and len(cache) == 2, "nothing is pushed out for what has no room"


def test_newer_versions_replace_older_ones_and_never_the_other_way() -> None:
    cache = Cache(10_000)
    for version in (1, 3, 2):
        cache.put("a", seen(version, version))
    found = cache.get("a")
    assert found is not None and found.version == 3
    assert (len(cache), cache.bytes) == (1, found.weight)
    cache.put("a", seen(4, 99_999))
    assert cache.get("a") is None and cache.bytes == 0, "it has grown out of the cache"


def test_a_small_cache_costs_reads_and_nothing_else() -> None:
    store = Store()
    values = Values(store.read, 1500)
    for cell in ":a", ":b", ":c":
        store.base(1, [cell, "x" * 400], cell=cell)
    for _ in range(2):
        for cell in ":a", ":b", ":c":
            for _ in range(2):
                found = at(values, 1, 1, cell)
                assert found == [cell, "x" * 400]
                found.append("spoiled")
    assert values.cache.bytes <= 1500
    assert len(store.asked()) == 6


def test_a_value_larger_than_the_cache() -> None:
    store = Store()
    values = Values(store.read, 1000)
    store.base(1, ["x" * 5000])
    assert at(values, 1, 1) == at(values, 1, 1) == ["x" * 5000]
    assert len(store.asked()) == 2 and values.cache.bytes == 0


# -- threads ----------------------------------------------------------------------------------------


def test_no_lock_is_held_while_the_broker_is_read() -> None:
    store = Store()
    store.base(1, ["slow"], cell=":slow")
    store.base(1, ["fast"], cell=":fast")
    reading, go_on = threading.Event(), threading.Event()

    def read(p: int, cells: Any, blobs: Any) -> Any:
        if cells[0][1] == ":slow":
            reading.set()
            assert go_on.wait(20)
        return store.read(p, cells, blobs)

    values = Values(read, LARGE)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(at, values, 1, 1, ":slow")
        assert reading.wait(20)
        assert at(values, 1, 1, ":fast") == ["fast"]
        go_on.set()
        assert slow.result(20) == ["slow"]


def test_a_clone_that_was_made_ahead_is_the_next_tasks() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    talk: list[Any] = [HumanMessage(str(i), id=str(i)) for i in range(50)]
    store.base(1, talk)
    for version in range(2, 7):
        talk.append(AIMessage("x", id=f"x{version}"))
        store.delta(version, version - 1, "+", [talk[-1]])
        values.clone_ahead()
        got = at(values, version, 1)
        assert got == talk
        got[0].content, got[-1].content = "spoiled", "spoiled"
        got.clear()
    assert at(values, 5, 1) == talk[:-1], "of the version before"


def test_threads_that_spoil_what_they_get_do_no_harm_to_each_other() -> None:
    store = Store()
    values = Values(store.read, LARGE)
    chat: list[Any] = [HumanMessage("hi", id="0", additional_kwargs={"k": {"deep": [1]}})]
    store.base(1, chat)
    for version in range(2, 40):
        chat.append(AIMessage(f"{version}", id=f"{version}", response_metadata={"n": [version]}))
        store.delta(version, version - 1, "+", chat[-1:])
    expected = {version: CODEC.encode(chat[:version]) for version in range(1, 40)}
    errors: list[int] = []

    def work(start: int) -> None:
        for turn in range(60):
            version = 1 + (start + turn) % 39
            values.clone_ahead()
            found = at(values, version, 1)
            if CODEC.encode(found) != expected[version]:
                errors.append(version)
            for message_ in found:
                message_.content = "spoiled"
                message_.additional_kwargs["spoiled"] = message_.response_metadata.setdefault("n", [])
                message_.response_metadata["n"].append("spoiled")
            found[0].additional_kwargs.get("k", {}).setdefault("deep", []).append("spoiled")
            found.clear()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(0, 39, 5)))
    assert errors == []
