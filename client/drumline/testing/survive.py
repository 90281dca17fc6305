"""`assert_survives`: one call that runs a graph against crashes, seed after seed, and compares each stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drumline.langgraph import is_langgraph
from drumline.testing.errors import StreamsDiffer
from drumline.testing.faults import Faults, NamedFault
from drumline.testing.graphs import served_graph
from drumline.testing.sim import SimCluster
from drumline.testing.streams import RECORDED_MODES, record, stream_difference
from drumline_graph.program import Program


def seeds(count: int) -> list[int]:
    """The seeds 0 to `count` - 1; or the one of the environment variable DRUMLINE_SEED, to replay it."""
    given = os.environ.get("DRUMLINE_SEED", "")
    if not given:
        return list(range(count))
    if not given.isdecimal():
        raise ValueError(f"DRUMLINE_SEED is {given!r}: it must be a seed, as in DRUMLINE_SEED=17")
    return [int(given)]


def assert_survives(
    graph: Any,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    seeds: int | Iterable[int] = 50,
    faults: Faults | NamedFault | Sequence[Faults | NamedFault] | None = None,
    workers: int = 3,
    coordinators: int = 2,
    stream_mode: Sequence[str] = RECORDED_MODES,
    check: Callable[[SimCluster], object] | None = None,
    **options: Any,
) -> None:
    """Run a graph once in this process, then on a simulated cluster for each seed; every stream must say the same.

    `graph` is a compiled graph, drumline's or LangGraph's, or a function that makes a new one for each run: for graphs
    with fakes in them that count. `faults` are those of `SimCluster`, by default `Faults.rough()`. `check` is called
    with each cluster when its run is over: for what the graph does outside of its state. `options` go to `stream()`.

    StreamsDiffer if a stream differs; what `check` raises; InvariantViolation if drumline is to blame. Each tells the
    seed, the end of its trace, and the command that replays it.
    """
    make = _maker(graph)
    expected = record(make(), input, config, stream_mode=stream_mode, **options)
    chosen = Faults.rough() if faults is None else faults
    for seed in _chosen(seeds):
        served = {"graph": make()}
        with SimCluster(served, workers=workers, coordinators=coordinators, seed=seed, faults=chosen) as cluster:
            found = record(cluster.graph("graph"), input, config, stream_mode=stream_mode, **options)
            different = stream_difference(expected, found)
            if different is not None:
                raise StreamsDiffer(
                    "the stream on a cluster differs (reference: in this process, other: on the cluster):\n"
                    f"{different}\n{cluster.story}"
                )
            if check is not None:
                check(cluster)


def _chosen(wanted: int | Iterable[int]) -> Iterable[int]:
    if isinstance(wanted, int):
        return seeds(wanted)
    return seeds(1) if os.environ.get("DRUMLINE_SEED") else wanted


def _maker(graph: Any) -> Callable[[], Any]:
    """What gives a graph for a run: the same each time, or what a function makes."""
    if isinstance(getattr(graph, "program", None), Program) or is_langgraph(graph) or not callable(graph):
        served = served_graph(graph)
        return lambda: served
    return lambda: served_graph(graph())
