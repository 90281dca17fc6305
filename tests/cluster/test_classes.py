"""Classes, names and errors cross between real processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client import class_graphs as made
from tests.cluster.class_apps import GRAPHS
from tests.cluster.processes import running

from drumline import Cluster
from drumline.langgraph import adapt, is_langgraph
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    """One coordinator and two workers."""
    with running(server.url, "tests.cluster.class_apps:GRAPHS", workers=2) as (_, client):
        yield client


def on(cluster: Cluster, name: str) -> Any:
    graph: Any = GRAPHS[name]
    return (adapt(graph) if is_langgraph(graph) else graph).on(cluster, name)


@pytest.mark.parametrize("name", ["twin_a", "twin_b"])
def test_each_of_two_graphs_gets_its_own_class(cluster: Cluster, name: str) -> None:
    label, item = name[-1], GRAPHS[name].item
    state = on(cluster, name).invoke({"item": item(1), "log": []})
    assert type(state["item"]) is item
    assert state["log"] == [f"{label} 1", f"{label} 2", f"{label} 0", True, f"{label} 2", True, f"{label} 99", True]


def test_names_that_are_members_of_an_enum(cluster: Cluster) -> None:
    items = on(cluster, "Level").stream({"log": []}, stream_mode="updates")
    assert sorted(str(item) for item in items) == sorted(str(item) for item in GRAPHS["Level"].stream({"log": []}))


def test_classes_that_are_imported_for_type_checkers(cluster: Cluster) -> None:
    state = on(cluster, "documents").invoke({"log": []})
    assert state == GRAPHS["documents"].invoke({"log": []})
    assert type(state["doc"].author).__name__ == "Author"


@pytest.mark.parametrize("how", made.CAUGHT)
@pytest.mark.parametrize("name", ["failing", "their_failing", "functional"])
def test_errors_keep_what_they_hold(cluster: Cluster, name: str, how: str) -> None:
    with pytest.raises(made.CAUGHT[how]) as caught:
        on(cluster, name).invoke(how if name == "functional" else {"any": how})
    error: Any = caught.value
    found = {
        "declined": lambda: (error.code, error.body) == (402, {"why": [("no", "funds")]}),
        "cause": lambda: error.__cause__.code == 1,
        "validation": lambda: error.errors()[0]["loc"] == ("number",),
        "missing": lambda: (error.errno, error.filename) == (2, "/nowhere/at/all"),
        "recursion": lambda: "3" in str(error),
    }[how]()
    assert found
