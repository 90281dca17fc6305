"""The stream mode `tools` on a cluster: LangGraph's stream, recorded if it was asked for, and readable again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import assert_same, record
from tests.differential.test_rules_tools import settled
from tests.differential.tools_mode_graphs import agent, asked, below, by_hand, functional, listening, node_of
from tests.inside import Inside
from tests.servers import local_server

from drumline.errors import ModeNotRecorded
from drumline.langgraph import adapt

GRAPHS: dict[str, tuple[Callable[..., Any], Any]] = {
    "node": (
        lambda e: node_of(e, "add", "speaks", "goes"),
        asked(("speaks", {"text": "one two"}), ("goes", {"to": "there"})),
    ),
    "fails": (lambda e: node_of(e, "fails"), asked(("fails", {"why": "because"}))),
    "by hand": (by_hand, {"n": 1}),
    "below": (below, {"messages": []}),
    "listening": (listening, {"n": 1}),
    "agent": (agent, {"messages": [("user", "go")]}),
    "functional": (functional, 3),
}


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside]:
    graphs = {f"{name} of drumline": build(DRUMLINE) for name, (build, _) in GRAPHS.items()}
    graphs |= {f"{name} of langgraph": adapt(build(LANGGRAPH)) for name, (build, _) in GRAPHS.items()}
    with local_server() as server, Inside(server.url, graphs) as started:
        started.coordinator()
        started.worker()
        started.worker()
        yield started


@pytest.mark.parametrize("subgraphs", [False, True], ids=["root", "all"])
@pytest.mark.parametrize("whose", ["drumline", "langgraph"])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_stream_is_langgraphs(inside: Inside, name: str, whose: str, subgraphs: bool) -> None:
    if (name, whose) == ("functional", "drumline"):
        pytest.skip("drumline's functional API is not built on a cluster yet")
    build, given = GRAPHS[name]
    modes = ["tasks", "tools"]
    expected = record(build(LANGGRAPH), given, modes, subgraphs=subgraphs)
    graph = build(DRUMLINE) if whose == "drumline" else adapt(build(LANGGRAPH))
    found = record(graph.on(inside.client(), f"{name} of {whose}"), given, modes, subgraphs=subgraphs)
    assert_same(settled(expected), settled(found), DRUMLINE)
    assert found.of_mode("tools").items or name == "listening"


def test_only_what_was_asked_for_is_recorded(inside: Inside) -> None:
    client = inside.client()
    graph = client.graph("agent of drumline")
    quiet = graph.stream(GRAPHS["agent"][1], stream_mode="updates")
    list(quiet)
    with pytest.raises(ModeNotRecorded, match="tools"):
        list(client.join(quiet.run_id, stream_mode="tools"))
    told = graph.stream(GRAPHS["agent"][1], stream_mode="tools")
    items = [str(item) for item in told]
    assert [str(item) for item in client.join(told.run_id, stream_mode="tools")] == items
