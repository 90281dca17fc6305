"""Graphs for a cluster to serve: `drumline worker --app
tests/differential/served_graphs.py:GRAPHS`.

`GRAPHS` maps "g17" to drumline's graph of random seed 17, and "guide_basic" to the guide's example
"basic"; a graph is built when it is first asked for. How many seeds there are comes from
`DRUMLINE_TEST_SEEDS`: "100" (the default) or a range "200-300". All processes of one cluster must
agree on it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

# The command line loads this file by its path; its neighbours are imported from the repository.
_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.differential import guide_graphs, random_graphs  # noqa: E402
from tests.differential.engines import DRUMLINE, Engine  # noqa: E402


def served_seeds() -> range:
    """The seeds that `GRAPHS` serves."""
    first, _, last = os.environ.get("DRUMLINE_TEST_SEEDS", "100").rpartition("-")
    return range(int(first or 0), int(last))


def graph_for_seed(seed: int, engine: Engine = DRUMLINE) -> Any:
    """The compiled graph of one seed."""
    return random_graphs.build(engine, random_graphs.from_seed(seed))


class BuiltOnce(Mapping[str, Any]):
    """Name -> compiled graph, built at the first look-up and kept."""

    def __init__(self, builders: Mapping[str, Callable[[], Any]]) -> None:
        self._builders = builders
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = self._builders[name]()
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)


GRAPHS = BuiltOnce(
    {f"g{seed}": partial(graph_for_seed, seed) for seed in served_seeds()}
    | {f"guide_{name}": partial(guide_graphs.graph, DRUMLINE, name) for name in guide_graphs.EXAMPLES}
)
