"""`astream_events(version="v2")` of a graph is LangGraph's, event by event: names, tags, metadata, data, parents.

Two things race in LangGraph itself and are left out: between which events of its nodes a chunk of the root's own stream
comes, and whether a message has its id already when an event shows it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.differential.engines import ADAPTED, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from tests.differential.harness import ASYNC_ORACLE
from tests.differential.normal import rename_ids, show, show_error
from tests.inside import Inside
from tests.runnables.event_graphs import CASES, Case, chat
from tests.servers import local_server

pytestmark = pytest.mark.filterwarnings("ignore")
OURS = pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT, ADAPTED], ids=["drumline", "strict", "adapted"])
_MESSAGE_ID = re.compile(r" id=(None|'[^']*')")


def shown(event: Any) -> str:
    metadata = ", ".join(f"{key}: {show(value)}" for key, value in sorted(event["metadata"].items()))
    where = f"{event['run_id']} in {event['parent_ids']}"
    return f"{event['event']} {event['name']} {where} {sorted(event['tags'])} {{{metadata}}} {show(event['data'])}"


def plain(event: Any) -> str:
    return _MESSAGE_ID.sub("", shown(event)).replace(event["metadata"].get("thread_id", "t"), "t")


Filter = Callable[[Any], bool]


async def _heard(graph: Any, case: Case, inputs: list[Any], keep: Filter) -> list[str]:
    config = {"config": {"configurable": {"thread_id": str(id(case))}}} if case.on_thread else {}
    lines: list[str] = []
    for given in inputs:
        events: list[str] = []
        chunks: list[str] = []
        try:
            async for event in graph.astream_events(given, version="v2", **{**config, **case.options}):
                if not keep(event):
                    continue
                of_root = event["event"] == "on_chain_stream" and not event["parent_ids"]
                (chunks if of_root else events).append(plain(event))
        except Exception as error:
            events.append(f"raised {show_error(error)}")
        lines += [*events, "chunks:", *chunks]
    return list(rename_ids(lines))


def heard(engine: Engine, case: Case, graph: Any = None, keep: Filter = lambda _: True) -> list[str]:
    inputs = [given(engine) if callable(given) else given for given in case.inputs]
    return asyncio.run(_heard(graph or engine.runnable(case.build(engine)), case, inputs, keep))


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@OURS
@pytest.mark.parametrize("name", CASES)
def test_the_events_are_langgraphs(engine: Engine, name: str) -> None:
    assert heard(engine, CASES[name]) == heard(LANGGRAPH, CASES[name])


@OURS
def test_what_is_not_there_in_langgraph_either(engine: Engine) -> None:
    """Sync event streams exist for `version="v3"` only, in LangChain."""
    with pytest.raises(NotImplementedError):
        list(engine.runnable(chat(engine)).stream_events({"xs": []}))
    with pytest.raises(NotImplementedError):
        list(chat(LANGGRAPH).stream_events({"xs": []}))


# -- on a cluster ---------------------------------------------------------------------------------

#: that a cluster serves; a node's own models and tools, and graphs that it calls, are heard where it runs
SERVED = (
    *("chat", "chat, named", "chat, twice on a thread", "values", "several modes", "subgraph", "subgraph on a thread"),
    *(
        "left",
        "chains",
        "fails",
        "fails below",
        "asks",
        "subgraph asks",
        "tool node",
        "tool asks",
        "agent",
    ),
)


def of_graphs_and_nodes(event: Any) -> bool:
    """Whether an event tells of a graph, or of a node of one: what a client reads in a run's log."""
    if event["event"].split("_")[1] != "chain" or "langsmith:hidden" in event["tags"]:
        return False
    return (
        not event["parent_ids"]
        or event["name"] == "LangGraph"
        or any(tag.startswith("graph:step:") for tag in event["tags"])
    )


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside]:
    graphs = {name: CASES[name].build(DRUMLINE) for name in SERVED}
    with local_server() as server, Inside(server.url, graphs) as started:
        started.coordinator()
        started.worker()
        yield started


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("name", SERVED)
def test_on_a_cluster(inside: Inside, name: str) -> None:
    expected = heard(LANGGRAPH, CASES[name], keep=of_graphs_and_nodes)
    graph = inside.client().graph(name, graph=CASES[name].build(DRUMLINE))
    found = heard(DRUMLINE, CASES[name], graph, of_graphs_and_nodes)
    assert [without_end(line) for line in found] == [without_end(line) for line in expected]
    assert len(expected) > 4


def without_end(line: str) -> str:
    """Models that nobody listens to do not stream, and only when they do the scripted ones end in a space."""
    return re.sub(r"(\w) '", r"\1'", line)
