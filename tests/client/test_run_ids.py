"""A run id is the key of one request: the same again joins its run, another one is refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.client import graphs
from tests.client.graphs import GRAPHS, gates
from tests.inside import LIMIT_S, Inside

from drumline import Cluster
from drumline.errors import RunIdTaken, UnknownRun
from drumline.graph import START, StateGraph
from drumline.graph.call_types import RunConfig


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def by_invoke(graph: Any, input: Any, config: Any, **options: Any) -> Any:
    return graph.invoke(input, config, **options)


def by_ainvoke(graph: Any, input: Any, config: Any, **options: Any) -> Any:
    return asyncio.run(graph.ainvoke(input, config, **options))


def by_stream(graph: Any, input: Any, config: Any, **options: Any) -> Any:
    return list(graph.stream(input, config, stream_mode="values", **options))[-1]


def by_start(graph: Any, input: Any, config: Any, **options: Any) -> Any:
    return graph.cluster.result(graph.start(input, config, **options))


def by_astart(graph: Any, input: Any, config: Any, **options: Any) -> Any:
    return graph.cluster.result(asyncio.run(graph.astart(input, config, **options)))


CALLS = [by_invoke, by_ainvoke, by_stream, by_start, by_astart]


def asked(word: str) -> dict[str, Any]:
    return {"question": word}


@pytest.mark.parametrize("second", CALLS)
@pytest.mark.parametrize("first", [by_invoke, by_start])
def test_the_same_request_gets_the_same_answer(
    cluster: Cluster, run_id: str, first: Callable[..., Any], second: Callable[..., Any]
) -> None:
    graph, config = cluster.graph("outer"), {"run_id": run_id, "tags": ["first"], "metadata": {"try": 1}}
    answer = first(graph, asked("a"), config)
    assert second(graph, asked("a"), {"run_id": run_id, "metadata": {"try": 2}}) == answer
    assert len(list(cluster.join(run_id, stream_mode="updates"))) == 2, "it ran once"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("ended", [False, True])
def test_another_request_is_refused_and_the_run_goes_on(
    cluster: Cluster, run_id: str, call: Callable[..., Any], ended: bool
) -> None:
    who, config = uuid.uuid4().hex, RunConfig(run_id=run_id)
    graph = cluster.graph("waits")
    graph.start({"who": who}, config)
    assert graphs.told[who].get(timeout=LIMIT_S) == "waiting"
    if ended:
        gates[who].set()
        cluster.result(run_id)
    refusals = [
        (graph, {"who": "another"}, config, {}, ["input"]),
        (graph, {"who": who}, {**config, "configurable": {"a": 1}}, {}, ["config"]),
        (graph, {"who": who}, config, {"context": {"a": 1}}, ["context"]),
        (cluster.graph("says"), {"who": who}, config, {}, ["graph"]),
    ]
    for other, input, given, options, differing in refusals:
        with pytest.raises(RunIdTaken) as caught:
            call(other, input, given, **options)
        assert (caught.value.run_id, caught.value.differing) == (run_id, differing)
        assert (caught.value.graph, caught.value.held) == (other.name, "waits")
    cluster.link.canceller.flush()
    gates[who].set()
    assert cluster.result(run_id)["done"] == ["waits"], "who was refused has not cancelled it"


def test_the_same_name_for_another_graph_is_another_request(cluster: Cluster, run_id: str) -> None:
    graph = GRAPHS["narrow"].on(cluster)
    assert graph.invoke({"question": "a"}, {"run_id": run_id}) == {"answer": "of a"}
    assert cluster.graph("narrow").invoke({"question": "a"}, {"run_id": run_id}) == {"answer": "of a"}
    changed = StateGraph(graphs.Answer).add_node("n", lambda _: {"answer": "b"}).add_edge(START, "n")
    with pytest.raises(RunIdTaken, match="version of the graph"):
        changed.compile(name="narrow").on(cluster).invoke({"question": "a"}, {"run_id": run_id})  # type: ignore[call-overload]


def test_two_at_once_share_a_run(cluster: Cluster, run_id: str) -> None:
    who, graph = uuid.uuid4().hex, cluster.graph("waits")

    async def main() -> Any:
        calls = [graph.ainvoke({"who": who}, {"run_id": run_id}) for _ in range(3)]
        calls.append(graph.ainvoke({"who": "another"}, {"run_id": run_id}))
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.to_thread(graphs.told[who].get, True, LIMIT_S)
        gates[who].set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    gates["another"].set()
    *answers, refused = asyncio.run(main())
    if isinstance(refused, RunIdTaken):
        assert [answer["done"] for answer in answers] == [["waits"]] * 3
        assert graphs.told[who].get(timeout=LIMIT_S) == "done" and graphs.told[who].empty(), "it ran once"


def test_a_deleted_run_frees_its_id(cluster: Cluster, run_id: str) -> None:
    graph = cluster.graph("says")
    for n in (1, 2, 3):
        assert graph.invoke({"n": n}, {"run_id": run_id})["out"] == n
        cluster.delete(run_id)
        with pytest.raises(UnknownRun):
            cluster.result(run_id)


def test_a_deleted_run_frees_its_id_for_other_coordinators_too(server: Any, run_id: str) -> None:
    with Inside(server.url, GRAPHS) as made:
        first = made.coordinator()
        made.worker()
        graph = made.client().graph("says")
        assert graph.invoke({"n": 1}, {"run_id": run_id})["out"] == 1
        made.coordinator()
        first.stop()
        with pytest.raises(RunIdTaken):
            graph.invoke({"n": 2}, {"run_id": run_id})
        graph.cluster.delete(run_id)
        assert graph.invoke({"n": 2}, {"run_id": run_id})["out"] == 2


@pytest.fixture(autouse=True)
def others_go_on() -> Iterator[None]:
    yield
    gates["another"].set()


def test_embedded_each_call_runs() -> None:
    """As in LangGraph: nothing keeps the run of a process."""
    graph = GRAPHS["says"]
    for n in (1, 2):
        assert graph.invoke({"n": n}, {"run_id": uuid.UUID(int=1)})["out"] == n
