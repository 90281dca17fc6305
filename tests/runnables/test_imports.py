"""Graphs and LangChain in any order of imports, and without LangChain."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BUILD = """
import sys
from typing_extensions import TypedDict
from drumline.graph import START, StateGraph

class State(TypedDict, total=False):
    n: int

builder = StateGraph(State)
builder.add_node("a", lambda state: {"n": state["n"] + 1})
builder.add_edge(START, "a")
graph = builder.compile()
"""
LANGCHAIN = """
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
"""
USE = """
assert isinstance(graph, Runnable)
assert (RunnableLambda(lambda n: {"n": n}) | graph | (lambda state: state["n"])).invoke(1) == 2
assert RunnableParallel(one=graph).invoke({"n": 1}) == {"one": {"n": 2}}
"""


def run(*parts: str, **environment: str) -> str:
    code = "".join(textwrap.dedent(part) for part in parts)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("parts", [(BUILD, LANGCHAIN), (LANGCHAIN, BUILD)], ids=["graph first", "langchain first"])
def test_any_order(parts: tuple[str, str]) -> None:
    run(*parts, USE)


def test_langchain_is_imported_after_a_run() -> None:
    run(BUILD, 'assert graph.invoke({"n": 1}) == {"n": 2}', LANGCHAIN, USE)


def test_nothing_is_imported_that_nobody_asked_for() -> None:
    run(
        BUILD,
        """
        import asyncio, copy, pickle
        assert graph.invoke({"n": 1}) == {"n": 2}
        assert asyncio.run(graph.ainvoke({"n": 1})) == {"n": 2}
        assert list(graph.batch([{"n": 1}])) == [{"n": 2}]
        isinstance(graph, str), copy.copy(graph), repr(graph), graph.get_name("Input"), graph.with_config(tags=["t"])
        hasattr(graph, "nonsense"), hasattr(graph, "_private"), hasattr(graph, "__rich_repr__")
        found = [name for name in sys.modules if name.startswith("lang")]
        assert not found, found
        """,
    )


@pytest.mark.parametrize("hidden", ["langchain_core", "langsmith"])
def test_without_langchain(hidden: str) -> None:
    """Also if the environment asks for traces, for which nobody is there then."""
    run(
        f"import sys; sys.modules[{hidden!r}] = None",
        BUILD,
        """
        import asyncio
        assert graph.invoke({"n": 1}) == {"n": 2}
        assert asyncio.run(graph.ainvoke({"n": 1})) == {"n": 2}
        """,
        LANGSMITH_TRACING="true",
    )


def test_what_is_langchains_says_so() -> None:
    run(
        "import sys; sys.modules['langchain_core'] = None",
        BUILD,
        """
        try:
            graph.with_retry()
        except AttributeError as error:
            assert "drumline[langchain]" in str(error), error
        else:
            raise AssertionError
        try:
            graph | graph
        except TypeError:
            pass
        else:
            raise AssertionError
        """,
    )


def test_asking_for_what_is_langchains_imports_it() -> None:
    run(BUILD, 'assert graph.pick("n").invoke({"n": 1}) == 2')
