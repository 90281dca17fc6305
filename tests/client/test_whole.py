"""A client, a coordinator and a worker in this process: what a caller gets from a whole cluster."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

import pytest
from tests.client import graphs
from tests.client.graphs import GRAPHS, Elsewhere, Point, Trouble
from tests.inside import LIMIT_S, Inside

from drumline import Cluster
from drumline.cluster import environment
from drumline.errors import GraphMismatch, ModeNotRecorded, RemoteError, RunCancelled, UnknownGraph
from drumline.graph import START, StateGraph
from drumline.graph.call_types import RunConfig
from drumline.types import GraphOutput, StreamMode
from drumline_protocol.codec_types import Opaque


@pytest.fixture
def who() -> str:
    """A name for the run of one test."""
    return uuid.uuid4().hex


def heard(who: str) -> str:
    return graphs.told[who].get(timeout=LIMIT_S)


# -- results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["narrow", "outer"])
@pytest.mark.parametrize("options", [{}, {"output_keys": ["notes"]}, {"version": "v2"}, {"stream_mode": "updates"}])
def test_invoke_returns_what_it_returns_embedded(cluster: Cluster, name: str, options: dict[str, Any]) -> None:
    asked = {"question": "why"}
    expected = GRAPHS[name].invoke(asked, **options)
    assert cluster.graph(name).invoke(asked, **options) == expected
    assert GRAPHS[name].on(cluster).invoke(asked, **options) == expected
    assert asyncio.run(cluster.graph(name).ainvoke(asked, **options)) == expected


def test_result_is_what_invoke_returns(cluster: Cluster) -> None:
    """The keys of the output schema, and no others."""
    run_id = cluster.graph("narrow").start({"question": "why"})
    assert cluster.result(run_id) == cluster.result(run_id) == {"answer": "of why"}
    assert asyncio.run(cluster.aresult(run_id)) == {"answer": "of why"}
    output = cluster.graph("narrow").invoke({"question": "why"}, version="v2")
    assert isinstance(output, GraphOutput)
    assert output.value == {"answer": "of why"}


def test_a_stream_of_values_shows_the_whole_state(cluster: Cluster) -> None:
    items = list(cluster.graph("narrow").stream({"question": "why"}, stream_mode="values"))
    assert items == list(GRAPHS["narrow"].stream({"question": "why"}, stream_mode="values"))
    assert items[-1] == {"question": "why", "notes": ["why"], "answer": "of why"}


def test_start_returns_a_run_that_somebody_has_accepted(cluster: Cluster, who: str) -> None:
    run_id = cluster.graph("waits").start({"who": who})
    assert cluster.status(run_id)["status"] == "open"
    assert heard(who) == "waiting"
    graphs.gates[who].set()
    assert cluster.result(run_id)["done"] == ["waits"]
    assert cluster.status(run_id)["status"] == "done"


def test_what_start_has_recorded_can_be_read_in_every_mode(cluster: Cluster) -> None:
    run_id = cluster.graph("outer").start({"question": "why"})
    modes: list[StreamMode] = ["values", "updates", "custom", "messages"]
    embedded = list(GRAPHS["outer"].stream({"question": "why"}, stream_mode=modes, subgraphs=True))
    joined = list(cluster.join(run_id, stream_mode=modes, subgraphs=True))
    assert [item[1:] for item in joined] == [item[1:] for item in embedded]
    assert next(cluster.join(run_id, stream_mode="custom", subgraphs=True))[1] == "inside"

    async def read() -> list[Any]:
        return [item async for item in cluster.ajoin(run_id, stream_mode=modes, subgraphs=True)]

    assert asyncio.run(read()) == joined


def test_what_a_stream_did_not_record_cannot_be_joined(cluster: Cluster) -> None:
    stream = cluster.graph("outer").stream({"question": "why"}, stream_mode=["updates", "custom"])
    assert [mode for mode, _ in stream] == ["updates", "updates"]
    assert list(cluster.join(stream.run_id, stream_mode="custom")) == []
    with pytest.raises(ModeNotRecorded, match="custom of subgraphs"):
        list(cluster.join(stream.run_id, stream_mode="custom", subgraphs=True))
    with pytest.raises(ModeNotRecorded, match="messages"):
        list(cluster.join(stream.run_id, stream_mode="messages"))


def test_any_position_of_a_long_burst_can_be_gone_on_from(cluster: Cluster) -> None:
    stream = cluster.graph("says").stream({"n": 3000}, stream_mode="custom")
    positions = []
    for number, item in enumerate(stream):
        assert item == number
        positions.append(stream.position)
    for start in (0, 1, 998, 1000, 2998, 2999):
        assert list(cluster.join(stream.run_id, after=positions[start], stream_mode="custom")) == list(
            range(start + 1, 3000)
        )


def test_readers_that_come_late_and_early_read_the_same(cluster: Cluster, who: str) -> None:
    run_id = cluster.graph("stands").start({"who": who})
    early = cluster.join(run_id, stream_mode=["custom", "updates"])
    assert next(early) == ("custom", "standing")
    position = early.position
    graphs.gates[who].set()
    rest = list(early)
    assert rest == [("updates", {"stands": {"done": ["stands"]}})]
    assert list(cluster.join(run_id, after=position, stream_mode=["custom", "updates"])) == rest
    assert list(cluster.join(run_id, stream_mode=["custom", "updates"])) == [("custom", "standing"), *rest]


# -- classes ----------------------------------------------------------------------------------------


def test_classes_of_results_are_those_that_the_client_was_given(inside: Inside, cluster: Cluster) -> None:
    unknown = cluster.graph("makes").invoke({"n": 1})["out"]
    assert isinstance(unknown, Opaque)
    given = inside.client(types=[Point])
    assert given.graph("makes").invoke({"n": 1})["out"] == Point(3)
    run_id = given.graph("makes").start({"n": 1})
    assert given.result(run_id)["out"] == Point(3)


def test_classes_that_a_graph_names_are_known_by_the_graph(cluster: Cluster) -> None:
    assert GRAPHS["typed"].on(cluster).invoke({"points": Point(1)})["points"] == Point(2)
    assert cluster.graph("typed", graph=GRAPHS["typed"]).invoke({"points": Point(1)})["points"] == Point(2)


def test_classes_of_errors_are_those_that_the_client_was_given(inside: Inside, cluster: Cluster) -> None:
    with pytest.raises(RemoteError, match=r"Trouble: deep"):
        cluster.graph("fails").invoke({"what": "trouble"})
    with pytest.raises(Trouble, match="deep"):
        inside.client(errors=[Trouble]).graph("fails").invoke({"what": "trouble"})
    with pytest.raises(RemoteError, match="Elsewhere: far"):
        inside.client(errors=[Trouble]).graph("fails").invoke({"what": "elsewhere"})
    with pytest.raises(Elsewhere, match="far"):
        GRAPHS["fails"].on(cluster).invoke({"what": "elsewhere"})
    with pytest.raises(ValueError, match="no such thing"):
        cluster.graph("fails").invoke({"what": "else"})


def test_a_failed_run_fails_for_each_that_asks(inside: Inside) -> None:
    given = inside.client(errors=[Trouble])
    run_id = given.graph("fails").start({"what": "trouble"})
    for _ in range(2):
        with pytest.raises(Trouble, match="deep"):
            given.result(run_id)
        with pytest.raises(Trouble, match="deep"):
            list(given.join(run_id))
        with pytest.raises(Trouble, match="deep"):
            asyncio.run(given.aresult(run_id))
    assert given.status(run_id)["status"] == "failed"


def test_another_version_of_a_graph_is_refused(cluster: Cluster) -> None:
    other = StateGraph(graphs.Plain).add_node("only", lambda _state: None).add_edge(START, "only").compile(name="says")
    for call in (
        lambda: other.on(cluster).invoke({"n": 1}),
        lambda: list(cluster.graph("says", graph=other).stream({"n": 1})),
        lambda: cluster.result(cluster.graph("says", graph=other).start({"n": 1})),
    ):
        with pytest.raises(GraphMismatch, match="says") as caught:
            call()
        assert caught.value.wanted == other.program.fingerprint
        assert caught.value.held == [GRAPHS["says"].program.fingerprint]
    assert cluster.graph("says").invoke({"n": 1})["out"] == 1, "by name it is whatever is served"


def test_a_graph_without_a_name_is_found_by_its_fingerprint(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = graphs.NAMELESS.on(cluster)
    assert bound.invoke({"n": 1})["out"] == 2
    run_id = cluster.graph("LangGraph", graph=graphs.NAMELESS).start({"n": 2})
    assert cluster.result(run_id)["out"] == 3
    assert cluster.status(run_id)["graph"] == "nameless_attribute"
    monkeypatch.setattr(environment, "_serving", False)
    monkeypatch.setattr(environment, "_clusters", {})
    monkeypatch.setenv("DRUMLINE_BROKER", cluster.url)
    monkeypatch.setenv("DRUMLINE_PREFIX", cluster.prefix)
    assert graphs.NAMELESS.invoke({"n": 3})["out"] == 4
    assert [made.prefix for made in environment._clusters.values()] == [cluster.prefix]
    for made in environment._clusters.values():
        made.close()
    other = StateGraph(graphs.Plain).add_node("new", lambda _state: None).add_edge(START, "new").compile()
    with pytest.raises(UnknownGraph, match=r"this graph has no name.*'nameless_attribute'"):
        other.on(cluster).invoke({"n": 1})


# -- what travels with a run ------------------------------------------------------------------------


def test_a_node_finds_what_the_caller_gave(cluster: Cluster) -> None:
    config: RunConfig = {"metadata": {"m": 1}, "tags": ["t"], "configurable": {"mine": "x"}}
    seen = cluster.graph("shows").invoke({"what": ""}, config, context={"k": 1})["out"]
    assert (seen["metadata"]["m"], seen["tags"], seen["mine"], seen["context"]) == (1, ["t"], "x", {"k": 1})
    bound = GRAPHS["shows"].with_config(metadata={"m": 2, "own": 3}, tags=["own"]).on(cluster)
    seen = bound.invoke({"what": ""}, config, context={"k": 2})["out"]
    assert (seen["metadata"]["m"], seen["metadata"]["own"], seen["context"]) == (1, 3, {"k": 2})
    assert seen["tags"] == ["own", "t"]
    seen = cluster.result(cluster.graph("shows").start({"what": ""}, config, context={"k": 3}))["out"]
    assert (seen["mine"], seen["context"]) == ("x", {"k": 3})


def test_async_callers_get_async_nodes(cluster: Cluster) -> None:
    assert cluster.graph("both_ways").invoke({"n": 1})["out"] == "sync"
    assert asyncio.run(cluster.graph("both_ways").ainvoke({"n": 1}))["out"] == "async"
    assert asyncio.run(GRAPHS["both_ways"].on(cluster).ainvoke({"n": 1}))["out"] == "async"

    async def start() -> Any:
        return await cluster.aresult(await cluster.graph("both_ways").astart({"n": 1}))

    assert asyncio.run(start())["out"] == "async"


def test_a_run_id_of_the_callers_own(cluster: Cluster) -> None:
    run_id = uuid.uuid4().hex
    stream = cluster.graph("says").stream({"n": 1}, {"run_id": run_id})
    assert stream.run_id == run_id
    assert len(list(stream)) == 1
    assert cluster.result(run_id)["out"] == 1


# -- ending runs ------------------------------------------------------------------------------------


def test_closing_one_stream_leaves_the_others(cluster: Cluster, who: str) -> None:
    other = f"{who} other"
    streams = [cluster.graph("waits").stream({"who": name}, stream_mode="custom") for name in (who, other)]
    assert [next(stream) for stream in streams] == ["waiting", "waiting"]
    assert [heard(who), heard(other)] == ["waiting", "waiting"]
    streams[0].close()
    assert heard(who) == "cancelled"
    with pytest.raises(RunCancelled, match="its stream was closed"):
        cluster.result(streams[0].run_id)
    graphs.gates[other].set()
    assert list(streams[1]) == []
    assert heard(other) == "done"
    assert cluster.result(streams[1].run_id)["done"] == ["waits"]


def test_cancelling_an_async_reader_cancels_its_run_and_no_other(cluster: Cluster, who: str) -> None:
    other = f"{who} other"

    async def read() -> tuple[str, str]:
        streams = [cluster.graph("waits").astream({"who": name}, stream_mode="custom") for name in (who, other)]
        for stream in streams:
            assert await stream.__anext__() == "waiting"
        waiting = asyncio.ensure_future(streams[0].__anext__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(StopAsyncIteration):
            await streams[0].__anext__()
        graphs.gates[other].set()
        assert [item async for item in streams[1]] == []
        return streams[0].run_id, streams[1].run_id

    cancelled, done = asyncio.run(read())
    with pytest.raises(RunCancelled):
        cluster.result(cancelled)
    assert cluster.result(done)["done"] == ["waits"]


def test_a_cancel_gives_its_reason_and_leaves_ended_runs_alone(cluster: Cluster, who: str) -> None:
    run_id = cluster.graph("waits").start({"who": who})
    assert heard(who) == "waiting"
    cluster.cancel(run_id, "enough")
    assert heard(who) == "cancelled"
    for _ in range(2):
        with pytest.raises(RunCancelled, match="enough"):
            cluster.result(run_id)
        cluster.cancel(run_id, "again")
    ended = cluster.graph("says").start({"n": 1})
    assert cluster.result(ended)["out"] == 1
    cluster.cancel(ended)
    assert cluster.graph("says").invoke({"n": 2})["out"] == 2
    assert cluster.status(ended)["status"] == "done"


# -- one client, many callers -----------------------------------------------------------------------


def test_a_client_serves_threads_and_loops_at_once(cluster: Cluster) -> None:
    outputs: dict[int, Any] = {}

    def call(number: int) -> None:
        graph = cluster.graph("says")
        if number % 2:
            outputs[number] = asyncio.run(graph.ainvoke({"n": number}))["out"]
        else:
            outputs[number] = graph.invoke({"n": number})["out"]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert outputs == {number: number for number in range(16)}


def test_a_client_that_was_closed_is_used_again(inside: Inside) -> None:
    with inside.client() as client:
        run_id = client.graph("says").start({"n": 4})
        assert client.result(run_id)["out"] == 4
    assert client.result(run_id)["out"] == 4, "the run goes on without its client"
    client.close()
    assert asyncio.run(client.graph("says").ainvoke({"n": 5}))["out"] == 5


# -- the environment --------------------------------------------------------------------------------


@pytest.fixture
def named(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the cluster, and this process serves none."""
    monkeypatch.setenv("DRUMLINE_BROKER", inside.url)
    monkeypatch.setenv("DRUMLINE_PREFIX", inside.prefix)
    monkeypatch.setattr(environment, "_clusters", {})
    monkeypatch.setattr(environment, "_serving", False)


@pytest.mark.usefixtures("named")
def test_the_environment_sends_calls_to_the_cluster() -> None:
    stream: Any = GRAPHS["says"].stream({"n": 2}, stream_mode="custom")
    assert stream.run_id
    assert list(stream) == [0, 1]
    assert asyncio.run(GRAPHS["both_ways"].ainvoke({"n": 1}))["out"] == "async"


@pytest.mark.usefixtures("named")
def test_the_environment_gives_one_client_for_each_cluster(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment.environment_cluster()
    assert first is not None
    assert (first.url, first.prefix) == (inside.url, inside.prefix)
    assert environment.environment_cluster() is first
    monkeypatch.setenv("DRUMLINE_PREFIX", "other")
    other = environment.environment_cluster()
    assert other is not None and other is not first and other.prefix == "other"
    monkeypatch.delenv("DRUMLINE_PREFIX")
    default = environment.environment_cluster()
    assert default is not None and default.prefix == "drumline"
    monkeypatch.delenv("DRUMLINE_BROKER")
    assert environment.environment_cluster() is None
    assert not hasattr(GRAPHS["says"].stream({"n": 2}), "run_id")


@pytest.mark.usefixtures("named")
def test_a_process_that_serves_does_not_send_its_graphs_away() -> None:
    environment.serve_here()
    assert environment.environment_cluster() is None
    assert not hasattr(GRAPHS["says"].stream({"n": 2}), "run_id")
    assert GRAPHS["says"].invoke({"n": 2})["out"] == 2
