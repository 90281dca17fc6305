"""Random graphs on a cluster, held against LangGraph: what the tests of both kinds of graphs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.differential import random_graphs
from tests.differential.engines import LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE, record
from tests.differential.test_random_embedded import compare

#: runs at once: one after another would leave the workers idle
AT_ONCE = 4

#: takes (seed, spec) and gives the graph on the cluster
Remote = Callable[[int, random_graphs.GraphSpec], Any]


def differences(seeds: Iterable[int], remote: Remote) -> list[str]:
    """How the streams of these seeds differ; empty if they do not."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [text for text in threads.map(lambda seed: _difference(seed, remote), seeds) if text]


def _difference(seed: int, remote: Remote) -> str | None:
    spec = random_graphs.from_seed(seed)
    if spec.needs_async and not ASYNC_ORACLE:
        return None
    options: dict[str, Any] = {"modes": spec.modes, "config": {"recursion_limit": spec.limit}}
    reference = random_graphs.run(LANGGRAPH, spec)
    ours = record(remote(seed, spec), random_graphs.INPUT, use_async=bool(seed % 2), **options)
    if random_graphs.calls_with_classes(spec):
        reference, ours = random_graphs.without_inputs(reference), random_graphs.without_inputs(ours)
    return compare(spec, reference, ours, title=f"seed {seed} on the cluster")
