"""Packages of LangGraph's ecosystem on drumline's engine in this process, compared with LangGraph."""

from __future__ import annotations

from typing import Any

import pytest
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from tests.differential.harness import ASYNC_ORACLE

from .cases import CASES, Case
from .parameters import with_cases
from .runs import EVERY, FEWER, depths, differs, invoked, reference, reference_result, result_lines, streamed

pytestmark = [
    pytest.mark.field,
    pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python"),
    pytest.mark.filterwarnings("ignore:create_react_agent has been moved"),
]


def graph_of(case: Case, engine: Engine) -> Any:
    return engine.runnable(case.build(engine))


def test_the_oracle_ends_well() -> None:
    """A case that fails in LangGraph would compare two failures."""
    for case in CASES:
        if case.is_installed and not case.chance:
            lines = reference(case, tuple(EVERY), use_async=True, subgraphs=True)
            assert not any("raised" in line for line in lines[-1:]), f"{case.name}: {lines[-1]}"


@with_cases(ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT)
def test_all_modes_at_once(case: Case, engine: Engine, use_async: bool) -> None:
    graph = graph_of(case, engine)
    for subgraphs in depths(case, engine, True, False):
        if not subgraphs and case.slow:
            continue
        expected = reference(case, tuple(EVERY), use_async=use_async, subgraphs=subgraphs, on_wire=engine.strict)
        found = streamed(case, graph, EVERY, use_async=use_async, subgraphs=subgraphs)
        assert not (told := differs(expected, found)), f"subgraphs={subgraphs}:\n{told}"


@with_cases(ADAPTED, DRUMLINE, slow=False)
def test_each_mode_alone(case: Case, engine: Engine, use_async: bool) -> None:
    """Fewer modes are recorded, so other code runs. Without subgraphs where it is sync, with them where it is async."""
    graph = graph_of(case, engine)
    subgraphs = any(depths(case, engine, use_async))
    for modes in FEWER:
        expected = reference(case, tuple(modes), use_async=use_async, subgraphs=subgraphs)
        found = streamed(case, graph, modes, use_async=use_async, subgraphs=subgraphs)
        assert not (told := differs(expected, found)), f"{modes}:\n{told}"


@with_cases(ADAPTED, DRUMLINE, slow=False)
def test_results(case: Case, engine: Engine, use_async: bool) -> None:
    found = result_lines(invoked(case, graph_of(case, engine), use_async=use_async))
    assert not (told := differs(reference_result(case, use_async=use_async), found)), told


def test_the_comparison_sees_a_difference() -> None:
    """A case beside another one: the kit is not blind."""
    first, second = CASES[0], CASES[1]
    assert differs(
        reference(first, tuple(EVERY), use_async=False, subgraphs=True),
        streamed(second, second.build(LANGGRAPH), EVERY, use_async=False, subgraphs=True),
    )
