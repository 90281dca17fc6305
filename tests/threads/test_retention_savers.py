"""Rules of retention for threads of adapted graphs: in LangGraph's savers what these can do, and on a cluster all."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver as OurSaver
from drumline.errors import FeatureNotBuilt
from drumline.langgraph import adapt
from drumline.retention import Retention, aprune, prune

#: every checkpoint is older than this
OLD = 1e-9
YOUNG = 3600


class State(TypedDict, total=False):
    messages: Annotated[list[Any], add_messages]
    asks: bool


def say(state: State) -> Any:
    return {"messages": [("ai", interrupt("go on?") if state.get("asks") else "said")]}


def served(saver: Any) -> Any:
    return adapt(StateGraph(State).add_node(say).add_edge(START, "say").compile(checkpointer=saver))


def at(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


class Latest(InMemorySaver):
    """A saver that leaves the newest checkpoint of each namespace, as that for PostgreSQL does."""

    def prune(self, thread_ids: Any, *, strategy: str = "keep_latest") -> None:
        assert strategy == "keep_latest"
        for thread in thread_ids:
            for kept in self.storage[thread].values():
                for id_ in sorted(kept)[:-1]:
                    del kept[id_]


def fill(saver: Any) -> Any:
    graph = served(saver)
    graph.invoke({"messages": [("user", "a")], "asks": False}, at("done"))
    graph.invoke({"messages": [("user", "a")], "asks": True}, at("asks"))
    return graph


def sizes(graph: Any) -> dict[str, int]:
    return {thread: len(list(graph.get_state_history(at(thread)))) for thread in ("done", "asks")}


def apply(saver: Any, how: str, *threads: Any, **rules: Any) -> None:
    if how == "sync":
        prune(saver, *threads, retention=Retention(**rules))
    else:
        asyncio.run(aprune(saver, *threads, retention=Retention(**rules)))


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: Any) -> Any:
    if request.param == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(":memory:") as made:
            yield made


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_is_too_old_is_deleted(saver: Any, how: str) -> None:
    graph = fill(saver)
    before = sizes(graph)
    apply(saver, how, max_age=YOUNG, keep="none")
    assert sizes(graph) == before
    apply(saver, how, ["asks"], max_age=OLD, keep="none")
    assert sizes(graph) == {**before, "asks": 0}
    apply(saver, how, max_age=OLD, keep="none")
    assert sizes(graph) == {"done": 0, "asks": 0}


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_waits_for_an_answer_stays_and_goes_on(saver: Any, how: str) -> None:
    graph = fill(saver)
    before = sizes(graph)
    apply(saver, how, max_age=OLD, keep="interrupted")
    assert sizes(graph) == {**before, "done": 0}
    found = graph.invoke(Command(resume="yes"), at("asks"))
    assert [each.text for each in found["messages"]] == ["a", "yes"]
    apply(saver, how, max_age=OLD, keep="interrupted")
    assert sizes(graph) == {"done": 0, "asks": 0}


@pytest.mark.parametrize("rules", [{"max_checkpoints": 1}, {"max_age": OLD}])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_saver_that_can_leaves_the_newest(how: str, rules: Any) -> None:
    kept = Latest()
    graph = fill(kept)
    values = graph.get_state(at("done")).values
    apply(kept, how, **rules)
    assert sizes(graph) == {"done": 1, "asks": 1}
    assert graph.get_state(at("done")).values == values
    assert graph.invoke(Command(resume="yes"), at("asks"))["messages"][-1].text == "yes"


@pytest.mark.parametrize("rules", [{"max_bytes": 1}, {"max_checkpoints": 2}, {"max_checkpoints": 1}, {"max_age": OLD}])
def test_what_a_saver_cannot_do_is_refused(saver: Any, rules: Any) -> None:
    graph = fill(saver)
    before = sizes(graph)
    with pytest.raises(FeatureNotBuilt, match="can delete a thread, and no single checkpoint"):
        prune(saver, retention=Retention(**rules))
    assert sizes(graph) == before


def test_drumlines_savers_apply_all_rules() -> None:
    kept = OurSaver()
    graph = fill(kept)
    prune(kept, retention=Retention(max_checkpoints=2))
    assert sizes(graph) == {"done": 2, "asks": 2}


def test_an_adapted_graph_has_rules_of_its_own_on_a_cluster() -> None:
    rules = Retention(max_checkpoints=1)
    graph = StateGraph(State).add_node(say).add_edge(START, "say").compile()
    assert adapt(graph, retention=rules).program.retention is rules
    assert adapt(graph, retention=rules).program.fingerprint == adapt(graph).program.fingerprint
