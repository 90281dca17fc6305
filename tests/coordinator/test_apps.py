"""Which graph a request means: by its name, or, of one that its client gave no such name, by its fingerprint."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import TypedDict

from drumline.cluster.mismatch import explained
from drumline.graph import START, StateGraph
from drumline_coordinator.apps import Apps
from drumline_protocol.errors import GraphMismatch, UnknownGraph
from drumline_protocol.failure import describe, rebuild


class State(TypedDict, total=False):
    n: int


def stay(_state: State) -> State:
    return {}


def build(node: str = "say", name: str | None = None) -> Any:
    return StateGraph(State).add_node(node, stay).add_edge(START, node).compile(name=name).program


APPS = Apps({"agent": build(), "named": build(name="named"), "other": build("other")})


def test_a_name_that_is_served_is_taken() -> None:
    assert APPS.served_name("agent") == "agent"
    assert APPS.served_name("agent", build().fingerprint) == "agent"


@pytest.mark.parametrize("name", ["LangGraph", "whatever"])
def test_a_graph_under_another_name_is_found_by_its_fingerprint(name: str) -> None:
    assert APPS.served_name(name, build("other").fingerprint) == "other"


def test_a_name_alone_that_is_not_served_is_unknown() -> None:
    with pytest.raises(UnknownGraph, match=r"no graph named 'x' is served\. Served are: 'agent', 'named', 'other'"):
        APPS.served_name("x")
    with pytest.raises(UnknownGraph, match=r"this graph has no name.*compile\(name=.*'agent'|Served are: 'agent'"):
        APPS.served_name("LangGraph", build("new").fingerprint)


def test_a_served_name_is_never_answered_with_another_graph() -> None:
    """Both versions are served: who asks for the one by name, and brings the other, is told."""
    with pytest.raises(GraphMismatch):
        APPS.served_name("agent", build("other").fingerprint)


def test_a_mismatch_says_who_holds_what_and_what_differs() -> None:
    here = build("new")
    with pytest.raises(GraphMismatch) as caught:
        APPS.served_name("agent", here.fingerprint)
    crossed = rebuild(APPS.codec.decode(APPS.codec.encode(describe(caught.value, APPS.codec, "by the coordinator"))))
    error = explained(here)(crossed)
    assert isinstance(error, GraphMismatch)
    assert error.held == [build().fingerprint] and error.wanted == here.fingerprint
    text = str(error)
    assert f"is version {here.fingerprint[:12]} here, in the client" in text
    assert f"the coordinator serves {build().fingerprint[:12]}" in text
    assert "node 'new': only here" in text and "node 'say': only on the coordinator" in text
    assert "edge from START to 'new': only here" in text
    assert "\n" not in text


def test_other_failures_stay_as_they_are() -> None:
    error = ValueError("x")
    assert explained(build())(error) is error
