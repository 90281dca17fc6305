"""Threads by change: what is stored follows what changes, branches own their deltas, what is kept can be read."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.errors import EncodeError, ThreadConflict, ThreadDamaged
from drumline.graph import START, StateGraph
from drumline.graph.message import add_messages
from drumline.threads.rows import CheckpointRow, Kept, ValueRow, Wanted, WritesRow
from drumline.threads.store import threads_of
from drumline.types import Command, Overwrite, interrupt
from drumline_protocol.checkpoint_ids import next_checkpoint_id
from drumline_protocol.checkpoints import Checkpoint, TaskWrites

SAVERS = ("memory", "sqlite")
BIG = 1000


@contextmanager
def saver_of(kind: str) -> Iterator[Any]:
    if kind == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(":memory:") as saver:
            yield saver


def at(thread: str = "1", **more: Any) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


def values(saver: Any, thread: str = "1", **more: Any) -> dict[str, Any]:
    found = saver.get_tuple(at(thread, **more))
    return {} if found is None else found.checkpoint["channel_values"]


class Spy:
    """Notes what a saver is given to write."""

    def __init__(self, saver: Any) -> None:
        self.rows: list[Any] = []
        write = saver.rows.write
        saver.rows.write = lambda rows: (self.rows.extend(rows), write(rows))[1]

    def bytes_of(self, kind: Any) -> int:
        return sum(len(row.data) for row in self.rows if isinstance(row, kind))

    def written(self) -> int:
        """All bytes of all rows."""
        total = 0
        for row in self.rows:
            if type(row) is CheckpointRow:
                cells = sum(len(cell) if type(cell) is bytes else 60 for cell in row.cells.values())
                total += len(row.facts) + len(row.metadata) + cells
            elif type(row) is ValueRow:
                total += len(row.data)
            elif type(row) is WritesRow:
                total += sum(len(slot.data) for slot in row.slots)
        return total


class Chat(TypedDict, total=False):
    messages: Annotated[list[Any], add_messages]
    log: Annotated[list[Any], operator.add]
    table: Annotated[dict[str, Any], operator.or_]
    names: Annotated[set[str], operator.or_]
    text: Annotated[str, operator.add]
    document: str


def graph_of(step: Callable[[Any], Any], saver: Any) -> Any:
    return StateGraph(Chat).add_node("step", step).add_edge(START, "step").compile(checkpointer=saver)


GROWING: dict[str, Callable[[int], Any]] = {
    "messages": lambda turn: [{"role": "user", "content": f"{turn}".ljust(BIG, "."), "id": str(turn)}],
    "log": lambda turn: [f"{turn}".ljust(BIG, ".")],
    "table": lambda turn: {str(turn): f"{turn}".ljust(BIG, ".")},
    "names": lambda turn: {f"{turn}".ljust(BIG, ".")},
    "text": lambda turn: f"{turn}".ljust(BIG, "."),
}


@pytest.mark.parametrize("kind", SAVERS)
@pytest.mark.parametrize("key", GROWING)
def test_what_grows_is_stored_once(key: str, kind: str) -> None:
    """Each turn stores its own bytes, however long the talk is, in a run of its own that begins from bytes."""
    with saver_of(kind) as saver:
        turn = [0]
        graph = graph_of(lambda _: {key: GROWING[key](turn[0])}, saver)
        spy = Spy(saver)
        for turn[0] in range(40):
            state = graph.invoke({"document": "d"}, at())
        assert values(saver)[key] == state[key]
        assert len(state[key]) == (40 * BIG if key == "text" else 40)
        assert spy.bytes_of(ValueRow) < 1.2 * 40 * BIG
        assert spy.written() < 3 * 40 * BIG


@pytest.mark.parametrize("kind", SAVERS)
def test_what_does_not_change_is_not_stored_again(kind: str) -> None:
    with saver_of(kind) as saver:
        graph = graph_of(lambda _: {"log": ["x"]}, saver)
        graph.invoke({"document": "d" * 100_000}, at())
        spy = Spy(saver)
        for _ in range(20):
            graph.invoke({"log": []}, at())
        assert spy.written() < 50_000
        assert values(saver)["document"] == "d" * 100_000


# -- values that are changed in place ---------------------------------------------------------------


def appended(state: Chat) -> Any:
    """Appends to the state's own list, as code does that then calls a model with it."""
    state["log"].append("in place" * 20)
    return {"log": ["returned"]}


def edited(state: Chat) -> Any:
    """Edits an item in place and returns it."""
    message = state["messages"][0]
    message.content = "edited"
    return {"messages": [message]}


def item_in_table(state: Chat) -> Any:
    state["table"]["a"]["n"] = 2
    return {"table": {"a": state["table"]["a"]}}


def replaced(_: Chat) -> Any:
    return {"log": Overwrite(["only " * 50])}


@pytest.mark.parametrize("kind", SAVERS)
@pytest.mark.parametrize("node", [appended, edited, item_in_table, replaced])
def test_in_place(node: Any, kind: str) -> None:
    """What the run saw is what is stored, also if a node changed values in place before it returned them."""
    with saver_of(kind) as saver:
        start = {
            "log": ["a" * 200],
            "messages": [
                {"role": "user", "content": "b" * 200, "id": "1"},
                {"role": "user", "content": "c", "id": "2"},
            ],
            "table": {"a": {"n": 1, "pad": "d" * 200}, "b": {"n": 1}},
        }
        graph_of(lambda _: {}, saver).invoke(start, at())
        state = graph_of(node, saver).invoke({"document": ""}, at())
        stored = values(saver)
        assert {key: stored[key] for key in ("log", "messages", "table")} == {
            key: state[key] for key in ("log", "messages", "table")
        }


# -- branches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAVERS)
def test_branches_own_their_deltas(kind: str) -> None:
    """A branch from an old checkpoint changes nothing of the other one, and each reads its own."""
    with saver_of(kind) as saver:
        graph = graph_of(lambda state: {"log": [f"{len(state['log'])}".ljust(BIG, ".")]}, saver)
        for turn in range(4):
            graph.invoke({"log": [f"in {turn}".ljust(BIG, ".")]}, at())
        before = {found.checkpoint["id"]: found for found in saver.list(at())}
        old = sorted(before)[5]
        graph.invoke({"log": ["branch".ljust(BIG, ".")]}, at(checkpoint_id=old))
        after = {found.checkpoint["id"]: found for found in saver.list(at())}
        assert {id_: after[id_] for id_ in before} == before
        assert [text.rstrip(".") for text in values(saver)["log"]] == ["in 0", "1", "in 1", "3", "branch", "5"]
        assert [text.rstrip(".") for text in values(saver, checkpoint_id=max(before))["log"]] == [
            *("in 0", "1", "in 1", "3", "in 2", "5", "in 3", "7")
        ]


@pytest.mark.parametrize("kind", SAVERS)
def test_pruned_threads_can_be_read_and_go_on(kind: str) -> None:
    with saver_of(kind) as saver:
        graph = graph_of(lambda state: {"log": [f"{len(state['log'])}".ljust(BIG, ".")]}, saver)
        for _ in range(5):
            state = graph.invoke({"log": ["in".ljust(BIG, ".")]}, at())
        saver.prune(["1"])
        assert [found.checkpoint["channel_values"]["log"] for found in saver.list(at())] == [state["log"]]
        assert len(graph.invoke({"log": ["more"]}, at())["log"]) == 12
        assert len(values(saver)["log"]) == 12


@pytest.mark.parametrize("kind", SAVERS)
def test_copies_are_on_their_own(kind: str) -> None:
    with saver_of(kind) as saver:
        graph = graph_of(lambda _: {"log": ["x" * BIG]}, saver)
        graph.invoke({"log": ["a" * BIG]}, at())
        saver.copy_thread("1", "2")
        graph.invoke({"log": ["b" * BIG]}, at("2"))
        assert len(values(saver, "1")["log"]) == 2
        saver.delete_thread("1")
        assert values(saver, "1") == {}
        assert len(values(saver, "2")["log"]) == 4


def test_a_deleted_thread_leaves_no_byte(tmp_path: Any) -> None:
    """Nothing that the thread was given stands in the file afterwards."""
    path = tmp_path / "threads.sqlite"
    with SqliteSaver.from_conn_string(str(path)) as saver:
        graph = graph_of(lambda state: {"log": [state["text"] * 100], "document": state["text"] * 2000}, saver)
        graph.invoke({"log": ["MARK" * 10], "text": "MARK"}, at("MARK thread"))
        graph.invoke({"log": ["other"], "text": "KEPT"}, at("other"))
        saver.delete_thread("MARK thread")
        saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert [file.name for file in tmp_path.iterdir()] == ["threads.sqlite"]
    assert b"MARK" not in path.read_bytes()
    assert b"KEPT" in path.read_bytes()
    with SqliteSaver.from_conn_string(str(path)) as saver:
        assert values(saver, "other")["log"]


def test_rows_that_are_gone_are_told(tmp_path: Any) -> None:
    path = str(tmp_path / "threads.sqlite")
    with SqliteSaver.from_conn_string(path) as saver:
        graph = graph_of(lambda _: {"log": ["x" * BIG]}, saver)
        graph.invoke({"log": ["x" * BIG]}, at())
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM drumline_rows WHERE kind = 1")
    connection.close()
    with SqliteSaver.from_conn_string(path) as saver, pytest.raises(ThreadDamaged):
        saver.get_tuple(at())


# -- how it is read, and what cannot be kept --------------------------------------------------------


def test_the_newest_is_read_in_two_statements(tmp_path: Any) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        graph = graph_of(lambda _: {"log": ["x" * BIG], "text": "y" * BIG, "document": "z" * BIG}, saver)
        for _ in range(10):
            graph.invoke({"log": []}, at())
        asked: list[str] = []
        saver.conn.set_trace_callback(asked.append)
        saver.get_tuple(at())
        saver.conn.set_trace_callback(None)
        assert len([text for text in asked if text.startswith("SELECT")]) == 2


class Unknown:
    """Of no graph's schema."""

    def __init__(self, n: int) -> None:
        self.n = n


def test_sqlite_names_what_it_cannot_keep() -> None:
    with saver_of("sqlite") as saver:
        graph = graph_of(lambda _: {"log": [{"deep": [Unknown(1)]}]}, saver)
        with pytest.raises(EncodeError, match=r"\['deep'\]\[0\]"):
            graph.invoke({"log": []}, at())


def test_memory_keeps_a_copy_of_what_no_codec_takes() -> None:
    saver, given = InMemorySaver(), Unknown(1)
    lock = operator.attrgetter  # cannot be told apart from its copy
    graph = graph_of(lambda _: {"log": [given, "x" * BIG], "document": lock}, saver)
    graph.invoke({"log": []}, at())
    given.n = 2
    assert values(saver)["log"][0].n == 1
    assert values(saver)["document"] is lock
    values(saver)["log"][0].n = 3
    assert values(saver)["log"][0].n == 1
    assert [each if isinstance(each, str) else each.n for each in graph.invoke({"log": ["y"]}, at())["log"]] == [
        *(1, "x" * BIG, "y", 2, "x" * BIG)
    ]


@pytest.mark.parametrize("kind", SAVERS)
def test_two_writers(kind: str) -> None:
    """Of two runs that go on from one place at once, the second is told, and nothing of its step is kept."""
    with saver_of(kind) as saver:
        graph = graph_of(lambda _: {}, saver)
        graph.invoke({"log": ["a"]}, at())
        first, second = (threads_of(saver, graph.program) for _ in range(2))
        found, same = first.get("1", ""), second.get("1", "")
        assert found is not None and same is not None
        first.save("1", [following(found.checkpoint, "f")])
        with pytest.raises(ThreadConflict, match="thread '1'"):
            second.save(
                "1", [following(same.checkpoint, "s"), TaskWrites("", found.checkpoint.id, "t", [("log", ["x"])])]
            )
        newest = saver.get_tuple(at())
        assert newest.checkpoint["channel_values"]["document"] == "f"
        assert newest.parent_config["configurable"]["checkpoint_id"] == found.checkpoint.id
        assert all(write[0] != "t" for write in saver.get_tuple(newest.parent_config).pending_writes)
        first.save("1", [following(first.get("1", "").checkpoint, "g")])  # type: ignore[union-attr]


def following(before: Checkpoint, document: str) -> Checkpoint:
    """A checkpoint behind another one."""
    top = max(before.versions.values()) + 1
    return replace(
        before,
        id=next_checkpoint_id(before.id, before.at_ms, document),
        parent=before.id,
        cells=before.cells | {"document": document},
        versions=before.versions | {"document": top},
    )


def test_two_processes_share_a_file(tmp_path: Any) -> None:
    """Two connections, as two processes have them: a run that another one has overtaken is told."""
    path = str(tmp_path / "threads.sqlite")
    with SqliteSaver.from_conn_string(path) as one, SqliteSaver.from_conn_string(path) as other:
        graphs = [graph_of(lambda state: {"log": [len(state["log"])]}, saver) for saver in (one, other)]
        graphs[0].invoke({"log": ["a"]}, at())
        assert graphs[1].invoke({"log": ["b"]}, at())["log"] == ["a", 1, "b", 3]
        overtaken = graphs[0].stream({"log": ["c"]}, at(), durability="sync", stream_mode="checkpoints")
        next(overtaken)
        assert graphs[1].invoke({"log": ["d"]}, at())["log"] == ["a", 1, "b", 3, "c", "d", 6]
        with pytest.raises(ThreadConflict):
            list(overtaken)
        assert values(one)["log"] == ["a", 1, "b", 3, "c", "d", 6]


def test_deltas_are_really_used() -> None:
    saver = InMemorySaver()
    graph = graph_of(lambda _: {"log": ["x" * BIG]}, saver)
    graph.invoke({"log": ["x" * BIG]}, at())
    graph.invoke({"log": ["y" * BIG]}, at())
    row = saver.rows.page(Wanted("1", ""), 1)[0]
    cell = row.cells["log"]
    assert isinstance(cell, Kept)
    assert cell.base != cell.made


@dataclass
class Thing:
    """A class that one of two graphs of one name knows."""

    n: int


class Things(TypedDict):
    thing: Thing
    pad: str


@pytest.mark.parametrize("kind", SAVERS)
def test_two_graphs_of_one_name_share_a_saver(kind: str) -> None:
    """Each has its own classes, also when the saver is asked by hand."""
    with saver_of(kind) as saver:
        other = graph_of(lambda _: {"log": ["x"]}, saver)
        things = StateGraph(Things).add_node("step", lambda _: {"thing": Thing(2), "pad": "y" * BIG})
        graph: Any = things.add_edge(START, "step").compile(checkpointer=saver)
        assert graph.name == other.name
        graph.invoke({"thing": Thing(1), "pad": ""}, at("things"))
        other.invoke({"log": []}, at("other"))
        assert values(saver, "things")["thing"] == Thing(2)
        assert graph.invoke({"pad": "z"}, at("things"))["thing"] == Thing(2)
        assert values(saver, "other")["log"] == ["x"]


@pytest.mark.parametrize("kind", SAVERS)
def test_results_of_an_earlier_run_are_stored_as_deltas(kind: str) -> None:
    """A question each turn: what was kept of the step before the answer came counts as written."""
    with saver_of(kind) as saver:

        def ask(_: Chat) -> Any:
            return {"log": [interrupt("?")]}

        builder = StateGraph(Chat).add_node("ask", ask).add_node("beside", lambda _: {"log": ["b" * BIG]})
        graph: Any = builder.add_edge(START, "ask").add_edge(START, "beside").compile(checkpointer=saver)
        spy = Spy(saver)
        for turn in range(20):
            graph.invoke({"log": []}, at())
            state = graph.invoke(Command(resume=f"{turn}"), at())
        assert values(saver)["log"] == state["log"]
        assert spy.bytes_of(ValueRow) < 1.5 * 20 * BIG
