"""Run one builder with both engines and hold the streams against each other.

`record` runs a graph once; `same` runs a builder with LangGraph and with the engine under test and
fails with a diff.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from .compare import difference, exact_difference
from .engines import LANGGRAPH, Engine
from .normal import Recorded, kind_of, rename_ids, show, show_error, wordless

# Below 3.11 LangGraph's own async runs lose the writer (docs/semantics.md §3.11): no oracle for them.
ASYNC_ORACLE = sys.version_info >= (3, 11)
# What threads, error handlers and tools show has changed with LangGraph's versions; drumline does as this one does.
NEWEST_ORACLE = tuple(map(int, version("langgraph").split(".")[:3])) >= (1, 2, 24)
newest_oracle = pytest.mark.skipif(not NEWEST_ORACLE, reason="an older LangGraph shows this otherwise: it is no oracle")
ALL_MODES = ["values", "updates", "custom", "tasks", "debug"]
Builder = Callable[[Engine], Any]


def record(
    graph: Any,
    input: Any,
    modes: list[str] | None = None,
    *,
    subgraphs: bool = True,
    use_async: bool = False,
    **options: Any,
) -> Recorded:
    """One run of `graph` as a `Recorded`; an exception of the run is part of the record.

    `modes` is always passed as a list (default: all that need no checkpointer), `options` go to
    stream()/astream().
    """
    options |= {"stream_mode": modes or ALL_MODES, "subgraphs": subgraphs}
    items, error = raw(graph, input, use_async=use_async, **options)
    return Recorded.of(items, error)


def raw(graph: Any, input: Any, *, use_async: bool = False, **options: Any) -> tuple[list[Any], Exception | None]:
    """The items of one run in whatever shape the options give, and the exception that ended it."""
    items: list[Any] = []

    async def drain() -> None:
        async for item in graph.astream(input, **options):
            items.append(item)  # noqa: PERF401  what came before an error must stay

    try:
        if use_async:
            asyncio.run(drain())
        else:
            for item in graph.stream(input, **options):
                items.append(item)  # noqa: PERF402
    except Exception as error:
        return items, error
    return items, None


def outcome(call: Callable[[], Any], *, words: bool = True) -> str:
    """Text of what a call returns or raises, ids renamed: for invoke, batch, build-time errors."""
    try:
        text = show(call())
    except Exception as error:
        text = f"raised {show_error(error if words else kind_of(error)(''))}"
    return next(rename_ids([text]))


def same(
    build: Builder,
    other: Engine,
    input: Any,
    modes: list[str] | None = None,
    *,
    exact: bool = False,
    words: bool = True,
    use_async: bool = False,
    other_async: bool | None = None,
    **options: Any,
) -> Recorded:
    """Run `build` with LangGraph and with `other`; fail with a diff; return LangGraph's stream.

    `exact` also compares how events of different tasks interleave: for graphs in which nothing
    races, and for lists of modes without `tasks` and `debug`. `other_async` (default: as
    `use_async`) lets the other engine run an async graph under sync stream(), which LangGraph
    cannot. `input` may be a function of the engine.
    `words=False` compares only the kind of errors, where each engine words its own.
    """
    if use_async and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    input_of = input if callable(input) else lambda _: input
    if other_async is None:
        other_async = use_async
    ours = record(build(LANGGRAPH), input_of(LANGGRAPH), modes, use_async=use_async, **options)
    theirs = record(other.runnable(build(other)), input_of(other), modes, use_async=other_async, **options)
    if not words:
        ours, theirs = wordless(ours), wordless(theirs)
    assert_same(ours, theirs, other, exact=exact)
    return ours


def assert_same(reference: Recorded, theirs: Recorded, other: Engine, *, exact: bool = False) -> None:
    """Fail with a diff unless two recorded streams agree (up to RACE, or item by item)."""
    found = (exact_difference if exact else difference)(reference, theirs)
    assert found is None, f"{other.name} differs from LangGraph:\n{found}"


def same_outcome(call: Callable[[Engine], Any], other: Engine, *, words: bool = True) -> str:
    """`call(engine)` gives the same result, or raises the same, in both engines; returns its text."""
    expected = outcome(lambda: call(LANGGRAPH), words=words)
    found = outcome(lambda: call(other), words=words)
    assert found == expected, f"{other.name} differs from LangGraph:\n- {expected}\n+ {found}"
    return expected
