"""State API and time travel of LangGraph's graphs: what drumline shows of their threads is what LangGraph shows."""

from collections.abc import Callable
from difflib import unified_diff
from typing import Any

import pytest
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE, newest_oracle
from tests.threads.scripts import Thread
from tests.threads.test_state import CASES, Build, Script, named, told

from drumline.checkpoint.memory import InMemorySaver

pytestmark = newest_oracle

#: how a graph of LangGraph becomes one that is run
Adapt = Callable[[Any], Any]


def check(adapt: Adapt, build: Build, script: Script, **options: Any) -> None:
    expected = told(LANGGRAPH, build, script, **options)
    thread = Thread(LANGGRAPH, adapt(build(LANGGRAPH)), **options)
    script(thread)
    assert thread.lines == expected, "\n".join(unified_diff(expected, thread.lines, "LangGraph", lineterm="", n=1))
    assert len(expected) > 10


def on_our_saver(graph: Any) -> Any:
    graph.checkpointer = InMemorySaver()
    return ADAPTED.runnable(graph)


def plain(build: Build) -> bool:
    """A graph without another one in it."""
    return not any(word in build.__name__ for word in ("child", "calls", "histor"))


PLAIN = [case for case in CASES if plain(case[0])]
#: graphs within that are nodes, and what is done with them as long as they have no history of their own
NESTED = [(build, script) for build, script in CASES if build.__name__ in ("child", "grandchild")]
NESTED = [(build, script) for build, script in NESTED if script.__name__ != "histories_of_their_own"]


@pytest.mark.parametrize(("build", "script"), PLAIN, ids=named)
def test_scripts_tell_the_same(build: Build, script: Script) -> None:
    check(ADAPTED.runnable, build, script)


@pytest.mark.parametrize(("build", "script"), [*PLAIN[::4], *NESTED], ids=named)
def test_on_a_saver_of_drumline(build: Build, script: Script) -> None:
    check(on_our_saver, build, script)


@pytest.mark.parametrize(("build", "script"), PLAIN[1::5], ids=named)
def test_over_a_wire(build: Build, script: Script) -> None:
    check(ADAPTED_STRICT.runnable, build, script)


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize(("build", "script"), PLAIN[2::5], ids=named)
def test_async_twins(build: Build, script: Script) -> None:
    check(ADAPTED.runnable, build, script, is_async=True)
