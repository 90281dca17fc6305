"""P9: what it takes until something happens: imports, the first item of a first stream, a cluster that is ready."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.harness import Bench, Contender, Table
from benchmarks.processes import ROOT

MS = "ms"

_IMPORT = "import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"
_FIRST = """
from typing import TypedDict
from {root}.graph import START, StateGraph
class State(TypedDict):
    n: int
graph = StateGraph(State).add_node("a", lambda s: {{"n": s["n"] + 1}}).add_edge(START, "a").compile()
assert next(iter(graph.stream({{"n": 0}}, stream_mode="updates"))) == {{"a": {{"n": 1}}}}
"""


def tables(bench: Bench) -> list[Table]:
    """One table of times of new processes."""
    contenders = [
        Contender("python -c pass (whole process)", _process("pass")),
        Contender("import drumline", _told(_IMPORT.format(module="drumline"))),
        Contender("import drumline.graph", _told(_IMPORT.format(module="drumline.graph"))),
        Contender("import langgraph.graph", _told(_IMPORT.format(module="langgraph.graph"))),
        Contender("first item of drumline embedded (whole process)", _process(_FIRST.format(root="drumline"))),
        Contender("first item of LangGraph (whole process)", _process(_FIRST.format(root="langgraph"))),
        Contender("broker, coordinator and worker started and ready", lambda: _cluster_ready(bench)),
    ]
    return [
        Table(
            "imports",
            "P9 imports and first item",
            [MS],
            contenders,
            bench.rounds(5, least=1),
            bench.budget_s(11),
            warm=False,
        )
    ]


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def _told(code: str) -> Callable[[], dict[str, float]]:
    return lambda: {MS: float(_run(code))}


def _process(code: str) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        began = time.perf_counter()
        _run(code)
        return {MS: (time.perf_counter() - began) * 1e3}

    return sample


def _cluster_ready(bench: Bench) -> dict[str, float]:
    bench.end_workload()
    began = time.perf_counter()
    bench.cluster()
    seconds = time.perf_counter() - began
    bench.end_workload()
    return {MS: seconds * 1e3}
