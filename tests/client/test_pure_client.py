"""A pure client: it starts and reads runs, and loads neither the run machine nor the node runner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drumline_transport.local_server import LocalServer

ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import sys

def heavy():
    return sorted(name for name in sys.modules if name.startswith(("drumline_coordinator", "drumline_worker")))
"""
CLIENT = """
from drumline import AsyncRunStream, Cluster, ClusterGraph, RunStream
from drumline.call import Callee, parse_call
from drumline.reading import view_of

cluster = Cluster(sys.argv[1], prefix="pure")
graph = cluster.graph("some")
assert isinstance(graph, ClusterGraph)
call = parse_call(Callee("some", elsewhere=True), {"n": 1}, {"tags": ["t"]}, stream_mode=["values", "messages"])
view_of(call.reading, None)
assert isinstance(graph.stream({"n": 1}, stream_mode="custom", version="v2"), RunStream)
assert isinstance(graph.astream({"n": 1}), AsyncRunStream)
"""


#: the status of a run is told from its facts, folded: by the fold alone, without the machine that makes them
STATUS = """
from drumline.cluster import status

assert not [name for name in heavy() if name.startswith("drumline_worker")], heavy()
for part in ("run", "machine", "attempts", "barrier", "nesting", "partition", "service"):
    assert f"drumline_coordinator.{part}" not in heavy(), heavy()
"""


NOTHING = "\nassert not heavy(), heavy()\n"


def run(*parts: str, url: str = "redis://127.0.0.1:1") -> None:
    code = LOADED + "".join(parts) + (NOTHING if STATUS not in parts else "")
    done = subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_a_client_loads_no_run_machine_and_no_node_runner() -> None:
    run(CLIENT)


def test_nor_does_one_that_asks_a_broker(server: LocalServer) -> None:
    """It comes as far as the broker, which has no cluster."""
    run(
        CLIENT,
        """
import drumline.errors

cluster.link.await_cluster = lambda: cluster.broker()
asks = [
    lambda: graph.invoke({"n": 1}),
    lambda: graph.start({"n": 1}),
    lambda: cluster.cancel("r"),
    lambda: cluster.result("r"),
    lambda: list(cluster.join("r")),
]
for ask in asks:
    try:
        ask()
    except drumline.errors.NoCluster:
        pass
    else:
        raise AssertionError(ask)
""",
        url=server.url,
    )


def test_a_status_loads_only_what_folds_facts() -> None:
    run(CLIENT, STATUS)


def test_building_a_graph_loads_no_run_machine() -> None:
    """Nor does binding it to a cluster: its class names the types of results."""
    run(
        """
from typing_extensions import TypedDict
from drumline import Cluster
from drumline.graph import START, StateGraph

class State(TypedDict, total=False):
    n: int

graph = StateGraph(State).add_node("a", lambda state: {"n": 1}).add_edge(START, "a").compile(name="some")
stream = graph.on(Cluster(sys.argv[1])).stream({"n": 1})
"""
    )


def test_importing_drumline_imports_no_client() -> None:
    run(
        """
import drumline

found = {name for name in sys.modules if name.startswith("drumline")}
assert found == {"drumline", "drumline._version"}, found
"""
    )


@pytest.mark.parametrize("name", ["AsyncRunStream", "Cluster", "ClusterGraph", "RunStream"])
def test_public_names(name: str) -> None:
    import drumline
    import drumline.cluster

    assert getattr(drumline, name) is getattr(drumline.cluster, name)
    assert name in drumline.__all__
    assert name in drumline.cluster.__all__


def test_no_other_name() -> None:
    import drumline

    with pytest.raises(AttributeError, match="Clutter"):
        _ = drumline.Clutter  # type: ignore[attr-defined]
