"""Packages of LangGraph's ecosystem on a cluster of processes: coordinator, two workers, a server; compared."""

from __future__ import annotations

from typing import Any

import pytest
from tests.differential.engines import ADAPTED, DRUMLINE, Engine
from tests.differential.harness import ASYNC_ORACLE

from drumline import Cluster

from .cases import Case
from .parameters import with_cases
from .runs import (
    EVERY,
    FEWER,
    depths,
    differs,
    invoked,
    joined,
    named,
    reference,
    reference_result,
    result_lines,
    streamed,
)

pytestmark = [
    pytest.mark.field,
    pytest.mark.cluster,
    pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python"),
    pytest.mark.filterwarnings("ignore:create_react_agent has been moved"),
]


def remote(clusters: dict[bool, Cluster], case: Case, engine: Engine) -> Any:
    """The graph as a client calls it that has it at hand."""
    name = case.name if engine.adapts else f"native_{case.name}"
    return clusters[case.lone].graph(name, graph=engine.runnable(case.build(engine)))


@with_cases(ADAPTED, DRUMLINE)
def test_all_modes_at_once(clusters: dict[bool, Cluster], case: Case, engine: Engine, use_async: bool) -> None:
    graph = remote(clusters, case, engine)
    for subgraphs in depths(case, engine, True, False):
        if not subgraphs and case.slow:
            continue
        expected = reference(case, tuple(EVERY), use_async=use_async, subgraphs=subgraphs, on_wire=True)
        found = streamed(case, graph, EVERY, use_async=use_async, subgraphs=subgraphs)
        assert not (told := differs(expected, found)), f"subgraphs={subgraphs}:\n{told}"


@with_cases(ADAPTED, DRUMLINE, slow=False)
def test_each_mode_alone(clusters: dict[bool, Cluster], case: Case, engine: Engine, use_async: bool) -> None:
    """With subgraphs where it is sync, without them where it is async: the other way than embedded."""
    graph = remote(clusters, case, engine)
    subgraphs = any(depths(case, engine, not use_async))
    for modes in FEWER:
        expected = reference(case, tuple(modes), use_async=use_async, subgraphs=subgraphs, on_wire=True)
        found = streamed(case, graph, modes, use_async=use_async, subgraphs=subgraphs)
        assert not (told := differs(named(case, expected), named(case, found))), f"{modes}:\n{told}"


@with_cases(ADAPTED, DRUMLINE, slow=False, both_ways=False)
def test_started_and_joined(clusters: dict[bool, Cluster], case: Case, engine: Engine) -> None:
    """A run that nobody waits for records every mode; its stream is read later, by a client without the classes."""
    given, options = case.given()
    cluster, graph = clusters[case.lone], remote(clusters, case, engine)
    run_id = graph.start(given, **options)
    (subgraphs, *_) = depths(case, engine, True, False)
    expected, found = joined(case, cluster.join(run_id, stream_mode=EVERY, subgraphs=subgraphs), subgraphs=subgraphs)
    assert not (told := differs(expected, found)), told


@with_cases(ADAPTED, DRUMLINE, slow=False)
def test_results(clusters: dict[bool, Cluster], case: Case, engine: Engine, use_async: bool) -> None:
    found = result_lines(invoked(case, remote(clusters, case, engine), use_async=use_async))
    expected = reference_result(case, use_async=use_async, on_wire=True)
    assert not (told := differs(named(case, expected), named(case, found))), told
