"""Two handoffs in one turn: LangGraph loses one of them by chance; here both experts work, side by side."""

from __future__ import annotations

from typing import Any

import pytest
from tests.differential.engines import LANGGRAPH
from tests.differential.harness import record

from drumline import Cluster
from drumline.langgraph import adapt

from .cases import BY_NAME

pytestmark = [
    pytest.mark.field,
    pytest.mark.filterwarnings("ignore:create_react_agent has been moved"),
]
CASE = BY_NAME["supervisor_parallel"]
EXPERTS = {"research_expert", "math_expert"}


def both_work(graph: Any, *, use_async: bool) -> None:
    """Both experts are tasks of one superstep, and what both of them found is in the state at the end."""
    given, options = CASE.given()
    recorded = record(graph, given, ["debug", "values"], use_async=use_async, subgraphs=False, **options)
    assert recorded.error is None
    steps: dict[int, set[str]] = {}
    for told in recorded.payloads("debug"):
        if told["type"] == "task":
            steps.setdefault(told["step"], set()).add(told["payload"]["name"])
    assert [names for names in steps.values() if names & EXPERTS] == [EXPERTS]
    said = [message.text for message in recorded.payloads("values")[-1]["messages"]]
    assert {"There are cats.", "It is 42."} <= set(said) and said[-1] == "Cats, and 42."


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("strict", [False, True], ids=["adapted", "adapted-strict"])
def test_embedded(strict: bool, use_async: bool) -> None:
    both_work(adapt(CASE.build(LANGGRAPH), strict_wire=strict), use_async=use_async)


@pytest.mark.cluster
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_on_a_cluster(clusters: dict[bool, Cluster], use_async: bool) -> None:
    both_work(clusters[False].graph(CASE.name, graph=adapt(CASE.build(LANGGRAPH))), use_async=use_async)
