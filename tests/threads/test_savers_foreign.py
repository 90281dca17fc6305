"""LangGraph and drumline on one thread: in LangGraph's savers, in drumline's, one going on where the other stopped."""

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver as TheirBase
from langgraph.checkpoint.memory import InMemorySaver as TheirMemory
from tests.differential.engines import ADAPTED, LANGGRAPH
from typing_extensions import TypedDict

from drumline.channels import DeltaChannel as OurDeltaChannel
from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.errors import EncodeError

from . import postgres
from .saver_scripts import CONFIG, OURS, SCRIPTS, THEIRS, contents, run

PLACES = [(name, first) for name, (_, inputs) in SCRIPTS.items() for first in range(1, len(inputs(OURS)))]


@pytest.mark.parametrize(("name", "first"), PLACES)
@pytest.mark.parametrize("saver", [TheirMemory, InMemorySaver])
def test_drumline_goes_on_where_langgraph_stopped(name: str, first: int, saver: Callable[[], Any]) -> None:
    """After any of the inputs: with questions open, of graphs within too, and with joins half way."""
    kept = saver()
    whole = range(len(SCRIPTS[name][1](OURS)))
    expected = run(THEIRS, name, TheirMemory(), durability="sync")
    mixed = run(THEIRS, name, kept, whole[:first], durability="sync") + run(OURS, name, kept, whole[first:])
    assert mixed == expected


@pytest.mark.parametrize(("name", "first"), PLACES)
def test_langgraph_goes_on_where_drumline_stopped(name: str, first: int) -> None:
    kept = TheirMemory()
    whole = range(len(SCRIPTS[name][1](OURS)))
    expected = run(THEIRS, name, TheirMemory(), durability="sync")
    mixed = run(OURS, name, kept, whole[:first]) + run(THEIRS, name, kept, whole[first:], durability="sync")
    assert mixed == expected


def test_langgraph_goes_on_with_a_finished_thread_in_drumlines_saver() -> None:
    kept = InMemorySaver()
    expected = run(THEIRS, "deferred", TheirMemory(), durability="sync")
    assert run(OURS, "deferred", kept, [0]) + run(THEIRS, "deferred", kept, [1, 2], durability="sync") == expected


@pytest.mark.parametrize("name", SCRIPTS)
def test_langgraph_with_drumlines_savers(name: str) -> None:
    """LangGraph takes them for its own, and finds in them what its own would hold."""
    theirs = TheirMemory()
    answers = run(THEIRS, name, theirs, durability="sync")
    with SqliteSaver.from_conn_string(":memory:") as sqlite:
        for saver in (InMemorySaver(), sqlite):
            assert isinstance(saver, TheirBase)
            assert not isinstance(saver, TheirMemory)
            assert run(THEIRS, name, saver, durability="sync") == answers
            assert contents(saver) == contents(theirs)


def test_a_fork_of_langgraphs_in_drumlines_saver() -> None:
    """LangGraph's versions of two branches are the same numbers: each branch still reads its own values."""

    class State(TypedDict):
        log: Annotated[list[str], operator.add]

    def histories(saver: Any) -> list[Any]:
        graph = THEIRS.graph.StateGraph(State).add_node("step", lambda _: {"log": ["step " * 50]})
        compiled = graph.add_edge(THEIRS.graph.START, "step").compile(checkpointer=saver)
        compiled.invoke({"log": ["a" * 200]}, CONFIG)
        older = list(compiled.get_state_history(CONFIG))[1].config
        compiled.invoke({"log": ["b" * 200]}, older)
        compiled.update_state(older, {"log": ["c" * 200]}, as_node="step")
        return [(snapshot.values, snapshot.next, snapshot.metadata) for snapshot in compiled.get_state_history(CONFIG)]

    with SqliteSaver.from_conn_string(":memory:") as sqlite:
        assert histories(sqlite) == histories(InMemorySaver()) == histories(TheirMemory())


def _joined(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(item for write in writes for item in write)]


def test_delta_channels_both_ways() -> None:
    """LangGraph stores their writes, drumline their values; each reads what the other has written."""

    def graph(lib: Any, channel: Any, saver: Any) -> Any:
        state: Any = TypedDict("state", {"log": Annotated[list[str], channel(_joined)]})
        builder = lib.graph.StateGraph(state).add_node("step", lambda state: {"log": [f"{len(state['log'])}"]})
        return builder.add_edge(lib.graph.START, "step").compile(checkpointer=saver)

    for saver in (TheirMemory(), InMemorySaver()):
        theirs, ours = graph(THEIRS, DeltaChannel, saver), graph(OURS, OurDeltaChannel, saver)
        assert theirs.invoke({"log": ["a"]}, CONFIG)["log"] == ["a", "1"]
        assert ours.invoke({"log": ["b"]}, CONFIG)["log"] == ["a", "1", "b", "3"]
        assert theirs.invoke({"log": ["c"]}, CONFIG)["log"] == ["a", "1", "b", "3", "c", "5"]


class Strange:
    """Of no schema."""


def test_drumlines_saver_refuses_what_it_cannot_keep_for_langgraph() -> None:
    class State(TypedDict):
        thing: Any

    builder = THEIRS.graph.StateGraph(State).add_node("step", lambda _: {"thing": Strange()})
    with SqliteSaver.from_conn_string(":memory:") as saver:
        graph = builder.add_edge(THEIRS.graph.START, "step").compile(checkpointer=saver)
        with pytest.raises(EncodeError, match="Strange"):
            graph.invoke({"thing": 1}, CONFIG, durability="sync")


def test_what_is_no_saver_is_refused() -> None:
    make, inputs = SCRIPTS["deferred"]
    with pytest.raises(TypeError, match=r"Invalid checkpointer provided.*Received object"):
        make(OURS).compile(checkpointer=object())
    graph = make(OURS).compile()
    graph.checkpointer = object()
    with pytest.raises(TypeError, match="no saver: object"):
        graph.invoke(inputs(OURS)[0], CONFIG)


# -- other savers of LangGraph ----------------------------------------------------------------------


def test_async_savers_of_langgraph() -> None:
    aio = pytest.importorskip("langgraph.checkpoint.sqlite.aio")

    async def main() -> None:
        async with aio.AsyncSqliteSaver.from_conn_string(":memory:") as saver:
            await _talk(saver)

    asyncio.run(main())


def test_sync_savers_of_langgraph_in_async_runs() -> None:
    """LangGraph refuses its SqliteSaver in `ainvoke`; here it is called in a thread."""
    sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")

    async def main() -> None:
        with sqlite.SqliteSaver.from_conn_string(":memory:") as saver:
            await _talk(saver)

    asyncio.run(main())


class Pathless(TheirMemory):
    """As savers were before there was a path."""

    def put_writes(self, config: Any, writes: Any, task_id: str) -> None:  # type: ignore[override]
        super().put_writes(config, writes, task_id)

    async def aput_writes(self, config: Any, writes: Any, task_id: str) -> None:  # type: ignore[override]
        super().put_writes(config, writes, task_id)


class PathlessAsync(TheirMemory):
    """Only what is called on an event loop is of its own."""

    async def aput_writes(self, config: Any, writes: Any, task_id: str) -> None:  # type: ignore[override]
        await super().aput_writes(config, writes, task_id)


def test_savers_whose_methods_take_no_path() -> None:
    assert run(OURS, "nested", Pathless()) == run(THEIRS, "nested", Pathless())
    asyncio.run(_talk(Pathless()))
    asyncio.run(_talk(PathlessAsync()))


def test_they_keep_the_tasks_that_a_langgraph_node_calls() -> None:
    """Both write by themselves: what keeps the calls of a node, and LangGraph's loop for a graph that a node calls."""
    theirs = LANGGRAPH

    @theirs.task  # type: ignore[untyped-decorator]
    def shout(word: str) -> str:
        shouted.append(word)
        return word.upper()

    class State(TypedDict, total=False):
        log: Annotated[list[str], operator.add]

    def ask(_state: State) -> Any:
        return {"log": [theirs.interrupt("Really?")]}

    within = theirs.StateGraph(State).add_node(ask).add_edge(theirs.START, "ask").compile()

    def calls(_state: State) -> Any:
        return {"log": [shout("a").result(), *within.invoke({"log": []})["log"]]}

    async def acalls(_state: State) -> Any:
        return {"log": [await shout("a"), *(await within.ainvoke({"log": []}))["log"]]}

    async def atalk(graph: Any) -> Any:
        await graph.ainvoke({}, CONFIG)
        return await graph.ainvoke(theirs.Command(resume="yes"), CONFIG)

    def talk(graph: Any) -> Any:
        graph.invoke({}, CONFIG)
        return graph.invoke(theirs.Command(resume="yes"), CONFIG)

    for node, said in ((calls, talk), (acalls, lambda graph: asyncio.run(atalk(graph)))):
        shouted: list[str] = []
        builder = theirs.StateGraph(State).add_node("n", node).add_edge(theirs.START, "n")
        assert said(ADAPTED.runnable(builder.compile(checkpointer=Pathless()))) == {"log": ["A", "yes"]}
        assert shouted == ["a"]


async def _talk(saver: Any) -> None:
    make, inputs = SCRIPTS["questions"]
    graph = make(OURS).compile(checkpointer=saver)
    given = inputs(OURS)
    for value in given[:-1]:
        state = await graph.ainvoke(value, CONFIG)
    assert state["log"] == ["in", "A", "B", "other", "s", 0, 1]


@pytest.mark.cluster
def test_postgres() -> None:
    """LangGraph's PostgresSaver on a real server: the contents, and each library going on where the other stopped."""
    saver_class = pytest.importorskip("langgraph.checkpoint.postgres").PostgresSaver
    expected = run(THEIRS, "questions", TheirMemory(), durability="sync")
    with postgres.server() as address:
        held = []
        for lib in (THEIRS, OURS):
            with saver_class.from_conn_string(address) as saver:
                saver.setup()
                assert run(lib, "questions", saver, durability="sync") == expected
                held.append(contents(saver))
                saver.delete_thread("1")
        for shown in (
            shown for each in held for shown in each
        ):  # LangGraph leaves the older answers of a task that ended
            shown["pending"] = [write for write in shown["pending"] if write[1] != "__resume__"]
        assert held[0] == held[1]
        for first, second in ((THEIRS, OURS), (OURS, THEIRS)):
            for at in (1, 2, 3):
                with saver_class.from_conn_string(address) as saver:
                    mixed = run(first, "questions", saver, range(at), durability="sync")
                with saver_class.from_conn_string(address) as saver:
                    assert mixed + run(second, "questions", saver, range(at, 4), durability="sync") == expected
                    saver.delete_thread("1")


# -- savers that people derive from drumline's ------------------------------------------------------


class Noting(InMemorySaver):
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Any] = []

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        self.steps.append(metadata["step"])
        return super().put(config, checkpoint, metadata, new_versions)


class Faulty(InMemorySaver):
    def put_writes(self, *_: Any, **__: Any) -> None:
        raise OSError("no writes today")


def test_methods_of_subclasses_are_called() -> None:
    theirs, noting = TheirMemory(), Noting()
    expected = run(THEIRS, "nested", theirs, durability="sync")
    assert run(OURS, "nested", noting, durability="sync") == expected
    assert noting.steps == [found["metadata"]["step"] for found in contents(theirs)]
    assert contents(noting) == contents(theirs)
    with pytest.raises(OSError, match="no writes today"):
        run(OURS, "deferred", Faulty())


def test_the_codec_as_a_serializer() -> None:
    kind, data = InMemorySaver().serde.dumps_typed({"a": (1, {2})})
    assert InMemorySaver().serde.loads_typed((kind, data)) == {"a": (1, {2})}
