"""Tokens over a real cluster of three workers: LangGraph's stream, and what a reader sees when a worker dies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from tests.cluster.conftest import pids_in
from tests.cluster.processes import Processes, running
from tests.differential import guide_models
from tests.differential.compare import difference
from tests.differential.engines import LANGGRAPH
from tests.differential.harness import ALL_MODES, ASYNC_ORACLE, record

from drumline import Cluster
from drumline.langgraph import adapt
from drumline_transport.local_server import LocalServer

from .openai_server import OpenAIServer
from .structured import TOKENS

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("openai_server")]

MODES = [*ALL_MODES, "messages"]


@pytest.fixture(scope="module")
def served(openai_server: OpenAIServer) -> ModuleType:
    """The module of the graphs. It makes clients: it may be imported only when the environment names their server."""
    del openai_server
    return importlib.import_module("tests.messages.served")


def clusters(server: LocalServer) -> AbstractContextManager[tuple[Processes, Cluster]]:
    """One coordinator and three workers."""
    return running(server.url, "tests.messages.served:GRAPHS")


@pytest.fixture(scope="module")
def cluster(server: LocalServer, openai_server: OpenAIServer) -> Iterator[Cluster]:
    """A cluster whose clients talk to `openai_server`."""
    del openai_server  # its environment is what the processes inherit
    with clusters(server) as (_, client):
        yield client


graphs = pytest.mark.parametrize("adapted", [False, True], ids=["drumline's", "LangGraph's"])
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def remote(cluster: Cluster, served: ModuleType, name: str, *, adapted: bool) -> Any:
    """A served graph on the cluster: drumline's, or LangGraph's own."""
    if adapted:
        return adapt(served.GRAPHS[f"their_{name}"]).on(cluster, f"their_{name}")
    return served.GRAPHS[name].on(cluster, name)


@both_ways
@graphs
@pytest.mark.parametrize("name", guide_models.EXAMPLES)
def test_the_guide(cluster: Cluster, served: ModuleType, name: str, adapted: bool, use_async: bool) -> None:
    if name == "client" and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async nodes lose the writer on this Python")
    given = guide_models.INPUTS[name]
    asynchronous = name in guide_models.ASYNC_ONLY
    reference = record(guide_models.graph(LANGGRAPH, name), given, MODES, use_async=asynchronous)
    ours = remote(cluster, served, f"guide_{name}", adapted=adapted)
    found = difference(reference, record(ours, given, MODES, use_async=use_async))
    assert found is None, found
    assert reference.error is None and bool(reference.payloads("messages")) == (name != "client")


@both_ways
@graphs
@pytest.mark.parametrize("subgraphs", [False, True])
def test_models_everywhere(
    cluster: Cluster, served: ModuleType, subgraphs: bool, adapted: bool, use_async: bool
) -> None:
    given = {"messages": [HumanMessage("go", id="q")]}
    reference = record(served.agents(LANGGRAPH), given, MODES, subgraphs=subgraphs)
    ours = remote(cluster, served, "agents", adapted=adapted)
    theirs = record(ours, given, MODES, subgraphs=subgraphs, use_async=use_async)
    found = difference(reference, theirs)
    assert found is None, found
    nodes = {metadata["langgraph_node"] for _, metadata in theirs.payloads("messages")}
    assert nodes == {"__start__", "left", "right", "sent", "calls", *(() if subgraphs else ("below",))}


@both_ways
@graphs
def test_a_structured_answer(cluster: Cluster, served: ModuleType, adapted: bool, use_async: bool) -> None:
    """The object that LangChain puts into the message, of a class that no schema names, crosses as its fields."""
    ours = remote(cluster, served, "structured", adapted=adapted)
    theirs = record(ours, {"messages": []}, MODES, use_async=use_async)
    assert theirs.error is None
    tokens = theirs.payloads("messages")
    assert [chunk.content for chunk, _ in tokens if chunk.content] == TOKENS
    parsed = [chunk.additional_kwargs["parsed"] for chunk, _ in tokens if chunk.additional_kwargs.get("parsed")]
    assert parsed == [{"city": "Lisbon", "degrees": 20}]
    assert theirs.payloads("values")[-1]["text"].endswith("['dict']")
    run_id = cluster.graph(ours.name, graph=ours).start({"messages": []})
    assert cluster.result(run_id)["text"].startswith("Weather(city='Lisbon'")


def test_a_run_that_was_started_without_messages_says_so(cluster: Cluster) -> None:
    from drumline.errors import ModeNotRecorded

    stream = cluster.graph("guide_tokens").stream({"topic": "cats"}, stream_mode="values")
    list(stream)
    with pytest.raises(ModeNotRecorded, match="messages"):
        list(cluster.join(stream.run_id, stream_mode="messages"))


def test_joining_in_the_middle_of_an_answer(cluster: Cluster) -> None:
    """Metadata travelled before the position; the view has it all the same."""
    stream = cluster.graph("guide_tokens").stream({"topic": "cats"}, stream_mode="messages")
    whole, positions = [], []
    for message, metadata in stream:
        whole.append((message.content, metadata))
        positions.append(stream.position)
    assert len(whole) > 4
    rest = list(cluster.join(stream.run_id, stream_mode="messages", after=positions[2]))
    assert [(message.content, metadata) for message, metadata in rest] == whole[3:]


# -- a worker dies in the middle of an answer ----------------------------------------------------------------------


#: words of the answer, as `served.speak` says them
WORDS = [str(number) for number in range(60)]


@pytest.fixture
def fragile(server: LocalServer, openai_server: OpenAIServer) -> Iterator[tuple[Processes, Cluster]]:
    """A cluster of its own, for a test that kills one of its workers."""
    del openai_server
    with clusters(server) as made:
        yield made


def strike(fragile: tuple[Processes, Cluster], how: str, path: Path, version: Any) -> tuple[list[Any], str]:
    """Read an answer, kill the worker that speaks at its 20th token; all items, and the node's result."""
    processes, cluster = fragile
    given = {"how": how, "mark": str(path), "pause_s": 0.01, "out": ""}
    stream = cluster.graph("interrupted").stream(given, stream_mode=["messages", "updates"], version=version)
    items: list[Any] = []
    out = ""
    for item in stream:
        mode, data = (item["type"], item["data"]) if version == "v2" else item
        if mode == "updates":
            out = data["speak"]["out"]
            continue
        items.append(item)
        if len(items) == 20:
            processes.by_pid(pids_in(path)[-1]).kill()
    assert len(set(pids_in(path))) == 2, "the node ran twice, on two workers"
    return items, out


@pytest.mark.parametrize("how", ["own ids", "native"])
def test_an_answer_that_is_repeated_is_seen_once(fragile: Any, tmp_path: Path, how: str) -> None:
    """The second attempt says the same byte for byte: every token once, in order, under one id, with metadata."""
    items, out = strike(fragile, how, tmp_path / "pids", "v1")
    words = [message.content.strip() for _, (message, _) in items if message.content]
    assert words == WORDS == out.split()
    assert len({message.id for _, (message, _) in items if message.content}) == 1
    assert {metadata["langgraph_node"] for _, (_, metadata) in items} == {"speak"}


def test_an_answer_that_differs_comes_whole_under_its_own_id(fragile: Any, tmp_path: Path) -> None:
    """LangChain draws an id for each call: the second attempt is another answer, told from its beginning (v1)."""
    items, out = strike(fragile, "lc ids", tmp_path / "pids", "v1")
    by_id: dict[str, list[str]] = {}
    for _, (message, metadata) in items:
        assert metadata["langgraph_node"] == "speak"
        if message.content:
            by_id.setdefault(message.id, []).append(message.content.strip())
    first, second = by_id.values()
    assert second == WORDS == out.split()
    assert first == second[: len(first)] and 20 <= len(first) < len(WORDS)


def test_v2_says_which_attempt_speaks(fragile: Any, tmp_path: Path) -> None:
    items, _ = strike(fragile, "lc ids", tmp_path / "pids", "v2")
    kinds = [(item["type"], item.get("attempt", 1)) for item in items]
    at = kinds.index(("retracted", 1))
    assert set(kinds[:at]) == {("messages", 1)}
    assert set(kinds[at + 1 :]) == {("messages", 2)}
    assert items[at]["data"]["name"] == "speak"
    words = [item["data"][0].content.strip() for item in items[at + 1 :] if item["data"][0].content]
    assert words == WORDS
