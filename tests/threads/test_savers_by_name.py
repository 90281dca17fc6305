"""What rows name of each other, and what a process has seen: nothing of that shows in what a thread says."""

from __future__ import annotations

import copy
import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver as TheirMemory
from typing_extensions import TypedDict

import drumline.embedded.durability as durability
from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.errors import ThreadDamaged
from drumline.threads.rows import Place, ValueRow, Wanted, WritesRow
from drumline_protocol.held import Held, Holder

from .saver_scripts import OURS, THEIRS, Library

BIG = 600


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return old | new


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    table: Annotated[dict[str, Any], operator.or_]
    text: Annotated[str, operator.add]
    names: Annotated[set[str], operator.or_]
    document: Any
    n: int


def graph_of(lib: Library, saver: Any) -> Any:
    """Each step writes to all channels; one node changes in place what it was handed, and writes an object twice."""

    def write(state: State) -> Any:
        n = len(state.get("log", ()))
        said = {"n": n, "text": "s" * BIG}
        return {
            "log": [said, "x" * BIG, said],
            "table": {f"k{n}": {"deep": ["t" * BIG]}},
            "text": f"{n}".ljust(BIG),
            "names": {f"{n}".ljust(BIG)},
            "document": {"whole": ["d" * BIG], "n": n},
            "n": n,
        }

    def beside(_: State) -> Any:
        return {"log": [["a list", "l" * BIG]], "text": "t"}

    def spoil(state: State) -> Any:
        state["log"].append("never returned")
        state["log"][0] = "spoilt"
        state["table"].clear()
        state["document"]["whole"].append("never returned")
        return {"n": -1}

    builder = lib.graph.StateGraph(State)
    for node in (write, beside, spoil):
        builder.add_node(node.__name__, node)
    builder.add_edge(lib.graph.START, "write").add_edge(lib.graph.START, "beside").add_edge(
        ["write", "beside"], "spoil"
    )
    return builder.compile(checkpointer=saver)


def at(thread: str = "1", **more: Any) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


@contextmanager
def savers(kind: str) -> Iterator[tuple[Any, Any]]:
    """A saver, and another one over the same rows, which has seen nothing."""
    if kind == "memory":
        kept = InMemorySaver()
        yield kept, of_same_rows(kept)
        return
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "threads.sqlite"))
        with SqliteSaver.from_conn_string(path) as saver, SqliteSaver.from_conn_string(path) as other:
            yield saver, other


def told(saver: Any) -> list[Any]:
    """All that a thread says, in the order of its checkpoints, without ids."""
    return [
        (
            found.metadata["step"],
            {name: value for name, value in found.checkpoint["channel_values"].items() if value},
            of_tasks(found.pending_writes),
        )
        for found in saver.list(at())
    ]


def of_tasks(writes: Any) -> list[Any]:
    """The writes of each task. LangGraph orders tasks by who ended first, and the edges of one by a hash."""
    tasks: dict[str, list[Any]] = {}
    for task, channel, value in writes:
        tasks.setdefault(task, []).append((channel, value))
    return sorted((sorted(each, key=itemgetter(0)) for each in tasks.values()), key=repr)


GIVEN = {"log": [{"in": "i" * BIG}], "text": "g" * BIG, "table": {"given": "v" * BIG}, "document": {"whole": []}}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_is_named_is_what_langgraph_keeps(kind: str) -> None:
    theirs = TheirMemory()
    # LangGraph keeps what a node changed in place in its other channels: `spoil` must not spoil what is compared.
    asked = {"interrupt_before": ["spoil"]}
    their = graph_of(THEIRS, theirs)
    with savers(kind) as (saver, _):
        ours = graph_of(OURS, saver)
        for turn in range(3):
            given = {**GIVEN, "text": f"{turn}".ljust(BIG)}
            assert ours.invoke(copy.deepcopy(given), at(), **asked) == their.invoke(copy.deepcopy(given), at(), **asked)
        assert told(saver) == told(theirs)
        written = [row for each in saver.list(at()) for row in saver.rows.fill(place(saver, each)).written]
        assert any(each.slot.made for each in written)
        sizes = [len(each.slot.data) for each in written if each.slot.made]
        assert max(sizes) < 2.5 * BIG  # a set, and a text of two tasks, stand for themselves


def place(saver: Any, found: Any) -> Any:
    [row] = saver.rows.page(Wanted("1", "", found.checkpoint["id"]), 1)
    return row


def test_an_input_is_kept_once() -> None:
    saver: Any = InMemorySaver()
    rows: list[Any] = []
    write = saver.rows.write
    saver.rows.write = lambda more: (rows.extend(more), write(more))[1]
    graph = graph_of(OURS, saver)
    graph.invoke({}, at())
    rows.clear()
    graph.invoke(GIVEN, at(), interrupt_before=["write", "beside"])
    said: list[Any] = [row.data for row in rows if isinstance(row, ValueRow)]
    said += [slot.data for row in rows if isinstance(row, WritesRow) for slot in row.slots]
    data = b"".join(said)
    for char in "igv":
        assert len(re.findall(f"{char}{{{BIG},}}".encode(), data)) == 1
    [start] = [row for row in rows if isinstance(row, ValueRow) and row.channel == "__start__"]
    assert start.names and len(start.data) < BIG / 2


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_is_named_stays_when_checkpoints_go(kind: str) -> None:
    """The newest checkpoint goes: what its tasks have written stands in its versions, and stays with the one before."""
    with savers(kind) as (saver, other):
        graph = graph_of(OURS, saver)
        for _ in range(2):
            graph.invoke(GIVEN, at())
        before = told(saver)
        newest = saver.get_tuple(at()).checkpoint["id"]
        saver.rows.drop(places=[Place("1", "", newest)])
        assert told(other) == before[1:]
        inputs = [found.checkpoint["id"] for found in other.list(at()) if found.metadata["source"] != "input"]
        saver.rows.drop(places=[Place("1", "", id_) for id_ in inputs])
        assert told(other) == [each for each in before if each[0] in (-1, 3)]
        assert graph.invoke(GIVEN, at())["log"]


def test_a_version_that_is_gone_is_told(tmp_path: Path) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "t.sqlite")) as saver:
        graph_of(OURS, saver).invoke(GIVEN, at())
        start = list(saver.list(at()))[-1]
        assert start.pending_writes
        with saver.conn:
            saver.conn.execute("DELETE FROM drumline_rows WHERE kind = 1 AND name != '__start__'")
        with pytest.raises(ThreadDamaged):
            saver.get_tuple(start.config)


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 2)),
        st.tuples(st.just("run elsewhere"), st.integers(0, 2)),
        st.tuples(st.just("branch"), st.integers(0, 20)),
        st.tuples(st.just("look"), st.integers(0, 20)),
        st.tuples(st.just("update"), st.integers(0, 20)),
        st.tuples(st.just("update elsewhere"), st.integers(0, 20)),
        st.tuples(st.just("drop"), st.integers(0, 20)),
        st.tuples(st.just("delete"), st.just(0)),
    ),
    min_size=3,
    max_size=6,
)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ops=OPS)
def test_who_has_seen_a_thread_reads_what_another_one_reads(kind: str, ops: list[tuple[str, int]]) -> None:
    """Random histories in two processes: who reads what was added since reads the same as who reads all of it."""
    with savers(kind) as (saver, other):
        here, there = graph_of(OURS, saver), graph_of(OURS, other)
        for _ in range(3):
            here.invoke(copy.deepcopy(GIVEN), at())
        for op, number in ops:
            configs = [found.config for found in saver.list(at())]
            config = configs[number % len(configs)] if configs else at()
            graph = there if op.endswith("elsewhere") else here
            if op.startswith("run"):
                spoil_all(graph.invoke(copy.deepcopy(GIVEN) if number else {"n": 1}, at()))
            elif op == "branch":
                spoil_all(graph.invoke(copy.deepcopy(GIVEN), config))
            elif op == "look":
                spoil_all(graph.get_state(config).values)
            elif op.startswith("update"):
                graph.update_state(config, {"log": ["u" * BIG], "document": {"whole": [number]}}, as_node="write")
            elif op == "drop":
                saver.prune(["1"])
            else:
                saver.delete_thread("1")
            fresh = graph_of(OURS, of_same_rows(saver)).get_state(at())  # it has seen nothing
            assert here.get_state(at()) == there.get_state(at()) == fresh


def of_same_rows(saver: Any) -> Any:
    """Another saver over the same rows, which has seen nothing."""
    if isinstance(saver, SqliteSaver):
        return SqliteSaver(saver.conn)
    other = InMemorySaver()
    other.rows = saver.rows
    return other


def spoil_all(values: dict[str, Any]) -> None:
    """What a caller may do with what it was given."""
    for value in values.values():
        if isinstance(value, list):
            value.append("spoilt by the caller")
        elif isinstance(value, dict):
            value["spoilt"] = True
        if isinstance(value, dict) and "whole" in value:
            value["whole"].append("spoilt by the caller")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_run_reads_what_was_added_since_the_last_one(kind: str) -> None:
    """However long the talk is."""
    with savers(kind) as (saver, _):
        graph = graph_of(OURS, saver)
        read: list[int] = []
        find = saver.rows.find

        def noted(*given: Any) -> Any:
            found = find(*given)
            if found is not None:
                read.append(sum(row.channel == "log" for row in found.values))
            return found

        saver.rows.find = noted
        for _ in range(12):
            graph.invoke(copy.deepcopy(GIVEN), at())
        assert read[2:] == [read[-1]] * len(read[2:])
        assert read[-1] <= 2


def test_steps_that_follow_each_other_are_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for them waits for no more to come."""
    monkeypatch.setattr(durability, "GATHER_S", 3600.0)
    written: list[Any] = []

    class Store:
        def write(self, rows: Any) -> None:
            written.append(rows)

    background = durability.Background(Store())  # type: ignore[arg-type]
    for step in range(3):
        background.put([step])
    background.wait()
    background.put([3])
    background.wait()
    assert written == [[0, 1, 2], [3]]


ITEMS = [["a"], {"k": 1}, "text", 1, True, None, ("t",), 10**9, ["a"]]


@given(st.lists(st.sampled_from(range(len(ITEMS))), min_size=1, max_size=8), st.data())
def test_a_place_holds_what_stands_there(which: list[int], data: st.DataObject) -> None:
    """Whatever is found at a place is the same, and nobody gets an object of somebody else."""
    items = [copy.deepcopy(ITEMS[n]) for n in which]
    holder = Holder({"l": items})
    start = data.draw(st.integers(0, len(items) - 1))
    end = data.draw(st.integers(start + 1, len(items)))
    held = Held(lambda _: copy.deepcopy(items))
    given: list[Any] = []
    for value in (items[start:end], items[start], items[start:end]):
        place = holder.place("l", value)
        if place is not None:
            found = held.value("v", *place)
            assert repr(found) == repr(value)
            given += found if isinstance(found, list) and isinstance(value, list) and place[1] > 0 else [found]
    changeable = [id(each) for each in given if isinstance(each, (list, dict))]
    assert len(set(changeable)) == len(changeable)
    assert holder.place("l", items) is not None
    assert holder.place("l", [object()]) is None
    assert holder.place("other", items) is None
    with pytest.raises(IndexError):
        held.value("v", len(items), 1)
