"""Histories, snapshots, updates and streams of threads are those of LangGraph, whatever was done with the thread."""

from collections.abc import Callable
from difflib import unified_diff
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE

from . import state_graphs as graphs
from . import state_scripts as scripts
from .scripts import Thread

Build = Callable[[Any], Any]
Script = Callable[[Thread], None]

#: these are given every script
WHOLE = [graphs.line, graphs.fan, graphs.routed, graphs.child, graphs.child_with_one_history_asks, graphs.calls]
#: and these, where something is to be expected of them
PARTS = [
    graphs.asks,
    graphs.two_ask,
    graphs.commands,
    graphs.joins,
    graphs.fails,
    graphs.stops_before,
    graphs.stops_after,
    graphs.grandchild,
    graphs.child_with_one_history,
    graphs.child_without_history,
    graphs.child_with_a_saver,
    graphs.loop_over_one_history,
    graphs.grandchild_with_one_history,
    graphs.histories_within_histories,
    graphs.child_of_one_history,
    graphs.calls_twice,
    graphs.calls_one_history,
    graphs.calls_one_history_twice,
    graphs.calls_without_history,
    graphs.calls_on_a_thread_of_its_own,
]
TOLD = [scripts.updates_while_it_asks, scripts.forks, scripts.histories_of_their_own, scripts.the_graph_within]
CASES = [
    *((build, script) for build in WHOLE for script in scripts.SCRIPTS),
    *((build, script) for build in PARTS for script in TOLD),
    *((build, scripts.answers_by_id) for build in (graphs.asks, graphs.two_ask, graphs.child, graphs.grandchild)),
    *((build, scripts.answers_one_by_one) for build in graphs.ASKING),
    (graphs.line, scripts.metadata_and_names),
    (graphs.unkeyed, scripts.an_unkeyed_state),
    *((build, scripts.updates_of_nothing) for build in (graphs.line, graphs.routed, graphs.child, graphs.two_ask)),
]


def told(e: Any, build: Build, script: Script, **options: Any) -> list[str]:
    """What a script tells of a graph."""
    thread = Thread(e, build(e), **options)
    script(thread)
    return thread.lines


def check(engine: Any, build: Build, script: Script, **options: Any) -> None:
    expected = told(LANGGRAPH, build, script, **options)
    found = told(engine, build, script, **options)
    assert found == expected, "\n".join(unified_diff(expected, found, "LangGraph", str(engine), lineterm="", n=1))
    assert len(expected) > 10


def named(value: Any) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(("build", "script"), CASES, ids=named)
def test_scripts_tell_the_same(build: Build, script: Script) -> None:
    check(DRUMLINE, build, script)


@pytest.mark.parametrize(("build", "script"), CASES[: len(scripts.SCRIPTS) * 5 : 3], ids=named)
def test_over_a_wire(build: Build, script: Script) -> None:
    check(DRUMLINE_STRICT, build, script)


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("build", [graphs.calls_async, *graphs.ASKING], ids=named)
def test_questions_of_called_graphs_async(build: Build) -> None:
    check(DRUMLINE, build, scripts.answers_one_by_one, is_async=True)


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize(("build", "script"), CASES[: len(scripts.SCRIPTS) * 5 : 4], ids=named)
def test_async_twins(build: Build, script: Script) -> None:
    check(DRUMLINE, build, script, is_async=True)
