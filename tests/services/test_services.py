"""Coordinator and worker with their real loops and verbs: what nodes may do, what runs leave, what is cancelled."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.inside import LIMIT_S, Inside
from tests.services import graphs
from tests.services.graphs import GRAPHS

from drumline import Cluster
from drumline.errors import NodeCancelledError, RemoteError, RunCancelled, WriterBlocked
from drumline_protocol.keys import Keys
from drumline_transport.local_server import LocalServer
from drumline_worker import outbox


def heard(who: str) -> str:
    return graphs.told[who].get(timeout=LIMIT_S)


def eventually(look: Callable[[], bool]) -> None:
    """Wait until services that nobody can listen to have done it."""
    deadline = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- what nodes may do ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["place", "model"])
def test_a_context_is_of_the_class_of_its_schema(cluster: Cluster, name: str) -> None:
    kind = {"place": "Place", "model": "Model"}[name]
    assert cluster.graph(name).invoke({}, context={"name": "here"})["grown"] == [kind, "here", 1]
    assert cluster.graph(name).invoke({}, context={"name": "there", "number": 2})["grown"] == [kind, "there", 2]


@pytest.mark.parametrize(
    ("name", "context", "told"),
    [
        ("place", {"nonsense": 1}, "nonsense"),
        ("model", {"name": "x", "number": "none"}, "number"),
    ],
)
def test_a_context_that_does_not_fit_fails_its_run_alone(
    cluster: Cluster, name: str, context: dict[str, Any], told: str
) -> None:
    with pytest.raises(Exception, match=told):
        cluster.graph(name).invoke({}, context=context)
    assert cluster.graph(name).invoke({}, context={"name": "x"})["grown"][1] == "x"


@pytest.mark.parametrize("what", ["StopIteration", "SystemExit", "KeyboardInterrupt", "GeneratorExit"])
@pytest.mark.parametrize("name", ["raises", "raises_async"])
def test_whatever_a_node_raises_fails_its_run_alone(cluster: Cluster, name: str, what: str) -> None:
    with pytest.raises((RemoteError, RuntimeError), match="StopIteration" if what == "StopIteration" else what):
        cluster.graph(name).invoke({"what": what})
    assert cluster.graph(name).invoke({"what": "nothing"})["grown"] == ["fine"]


def test_a_sync_node_whose_router_is_async_fails_by_stop_iteration(cluster: Cluster) -> None:
    """It runs in a thread of the loop, and no future can hold a StopIteration."""
    with pytest.raises((RemoteError, RuntimeError), match="StopIteration"):
        cluster.graph("routes_async").invoke({"what": "StopIteration"})
    assert cluster.graph("routes_async").invoke({"what": "nothing"})["grown"] == ["fine"]


@pytest.mark.parametrize("what", ["task", "callback", "stop"])
def test_the_event_loop_survives_its_nodes(cluster: Cluster, what: str) -> None:
    assert cluster.graph("raises_async").invoke({"what": what})["grown"] == ["fine"]
    assert cluster.graph("raises_async").invoke({"what": "nothing"})["grown"] == ["fine"]


def test_a_node_that_cancels_itself_fails_its_run(cluster: Cluster) -> None:
    with pytest.raises(NodeCancelledError, match="nobody had cancelled its run"):
        cluster.graph("raises_async").invoke({"what": "cancelled"})


def test_messages_without_id_get_ids_that_another_attempt_would_give_them(cluster: Cluster) -> None:
    """No reducer draws them: they follow from the task and the place of the message in what it wrote."""
    items = list(cluster.graph("speaks").stream({"messages": []}, stream_mode=["tasks", "values"]))
    task = uuid.UUID(next(payload["id"] for mode, payload in items if mode == "tasks"))
    messages = items[-1][1]["messages"]
    assert [message.id for message in messages] == [str(uuid.uuid5(task, index)) for index in "01"]


def test_a_router_reads_what_its_node_does_not(cluster: Cluster) -> None:
    given = {"kept": ["given"], "way": "there"}
    assert cluster.graph("routed").invoke(given) == GRAPHS["routed"].invoke(given)
    assert cluster.graph("routed").invoke(given)["kept"] == ["given", "there", 2]


@pytest.mark.parametrize("count", [600, 3000])
def test_long_bursts_arrive_whole_and_in_order(cluster: Cluster, count: int) -> None:
    assert list(cluster.graph("emits").stream({"what": count}, stream_mode="custom")) == list(range(count))


# -- large values -----------------------------------------------------------------------------------


def values(raw: Any, inside: Inside) -> list[bytes]:
    """The keys of large values: of blobs, and of cells."""
    return [key for kind in ("blob", "cells") for key in raw.scan_iter(f"{{{inside.prefix}:*}}:{kind}:*")]


def test_a_value_that_grows_is_read_whole_and_goes_with_its_log(cluster: Cluster, inside: Inside, raw: Any) -> None:
    output = cluster.graph("growing").invoke({"big": "x" * 70_000})
    assert output["grown"] == [70_000, 150_000, 230_000, 310_000]
    kept = values(raw, inside)
    assert kept, "what was large was written once, and goes with the log that names it"
    assert all(0 < raw.ttl(key) <= 86_400 for key in kept)


def test_a_large_value_that_is_gone_from_the_store_travels_again(server: LocalServer, raw: Any) -> None:
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        client = made.client()
        run_id = client.graph("growing").start({"big": "x" * 70_000})
        (cell,) = values(raw, made)
        assert b":cells:" in cell and raw.ttl(cell) == -1, "the run is open"
        raw.delete(cell)
        made.worker()
        assert client.result(run_id)["grown"] == [70_000, 150_000, 230_000, 310_000]


# -- what ended runs leave --------------------------------------------------------------------------


def test_an_ended_run_leaves_a_log_and_a_record_for_a_day_and_nothing_else(
    cluster: Cluster, inside: Inside, raw: Any, who: str
) -> None:
    done = cluster.graph("emits").start({"what": 3})
    cluster.result(done)
    failed = cluster.graph("raises").start({"what": "SystemExit"})
    with pytest.raises(RemoteError):
        cluster.result(failed)
    rejected = cluster.graph("nobody serves this").start({})
    with pytest.raises(Exception, match="nobody serves this"):
        cluster.result(rejected)
    cancelled = cluster.graph("waits").start({"who": who})
    assert heard(who) == "waiting"
    cluster.cancel(cancelled)
    with pytest.raises(RunCancelled):
        cluster.result(cancelled)
    assert heard(who) == "cancelled"
    for run_id in (done, failed, rejected, cancelled):
        keys = [key for key in raw.scan_iter(f"{{{inside.prefix}:*}}:*") if run_id in key.decode()]
        assert sorted(key.decode().split("}:")[1].split(":")[0] for key in keys) == ["log", "run"]
        for key in keys:
            assert 86_000 < raw.ttl(key) <= 86_400
        record = next(raw.hgetall(key) for key in keys if b":run:" in key)
        assert not [name for name in record if name[:2] in (b"t:", b"k:", b"b:")]
        assert not any(raw.sismember(key, run_id) for key in raw.scan_iter(f"{{{inside.prefix}:*}}:open"))
    eventually(lambda: raw.xlen(Keys(inside.prefix).tasks("default")) == 0)


# -- who is cancelled, and who is not ---------------------------------------------------------------


def test_a_subgraph_is_left_when_what_runs_in_it_has_ended(cluster: Cluster, who: str) -> None:
    """As in LangGraph; what its siblings in the subgraph wrote is void, what runs beside the subgraph counts."""
    run_id = cluster.graph("leaves").start({"who": who}, {"max_concurrency": 3})
    sibling = f"{who} sibling"
    assert [heard(who), heard(sibling)] == ["waiting", "waiting"]
    graphs.gates[f"{who} leave"].set()
    graphs.gates[sibling].set()
    assert graphs.told[who].empty(), "nobody cancelled it"
    graphs.gates[who].set()
    assert sorted(cluster.result(run_id)["grown"]) == sorted(["left", sibling, "after"])
    assert graphs.told[who].empty() and graphs.told[sibling].empty(), "nobody cancelled them"


def test_a_run_takes_no_more_places_than_it_may(cluster: Cluster, who: str) -> None:
    run_id = cluster.graph("fans").start({"who": who, "what": 9}, {"max_concurrency": 4})
    assert sorted(heard(who) for _ in range(4)) == ["0", "1", "2", "3"]
    with pytest.raises(Exception):  # noqa: B017, PT011 (queue.Empty)
        graphs.told[who].get(timeout=0.1)
    graphs.gates[who].set()
    assert cluster.result(run_id)["grown"] == list(range(9))


def test_a_worker_takes_no_more_tasks_than_it_has_slots(server: LocalServer, who: str) -> None:
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        made.worker(concurrency=2)
        client = made.client()
        run_id = client.graph("fans").start({"who": who, "what": 5})
        assert sorted(heard(who) for _ in range(2)) == ["0", "1"]
        made.worker(concurrency=1)
        assert heard(who) == "2", "what the first worker has no slot for is free for others"
        graphs.gates[who].set()
        assert client.result(run_id)["grown"] == list(range(5))


def test_a_slot_that_is_freed_is_filled_at_once(server: LocalServer, who: str) -> None:
    graphs.gates[who].set()
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        made.worker(concurrency=1)
        client = made.client()
        client.graph("emits").invoke({"what": 1})
        begun = time.monotonic()
        assert client.graph("fans").invoke({"who": who, "what": 10})["grown"] == list(range(10))
        assert time.monotonic() - begun < 3.0, "no slot stays empty until a wait runs out"


# -- starting and stopping --------------------------------------------------------------------------


def test_a_worker_that_stops_ends_what_it_began_and_leaves_the_rest(server: LocalServer, raw: Any, who: str) -> None:
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        first = made.worker(concurrency=1)
        client = made.client()
        run_id = client.graph("fans").start({"who": who, "what": 2})
        assert heard(who) == "0"
        first.service.stop()
        graphs.gates[who].set()
        first.stop()
        assert list(raw.hgetall(Keys(made.prefix).workers())) == []
        second = made.worker()
        assert list(raw.hgetall(Keys(made.prefix).workers())) == [second.name.encode()]
        assert client.result(run_id)["grown"] == [0, 1]


def test_a_coordinator_that_stops_hands_its_runs_over_at_once(server: LocalServer, who: str) -> None:
    with Inside(server.url, GRAPHS) as made:
        first = made.coordinator()
        made.worker()
        client = made.client()
        stream = client.graph("fans").stream({"who": who, "what": 2}, stream_mode="values")
        assert next(stream)["who"] == who
        assert sorted([heard(who), heard(who)]) == ["0", "1"]
        first.stop()
        begun = time.monotonic()
        made.coordinator()
        graphs.gates[who].set()
        assert list(stream)[-1]["grown"] == [0, 1]
        assert time.monotonic() - begun < 1.0, "a lease that was given back need not run out"


def test_a_worker_that_comes_later_gets_what_waits(server: LocalServer) -> None:
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        client = made.client()
        run_id = client.graph("emits").start({"what": 2})
        (task,) = client.status(run_id)["open_tasks"]
        assert task["state"] == "dispatched"
        made.worker()
        assert client.result(run_id)["grown"] == [2]


# -- trouble with the broker ------------------------------------------------------------------------


def test_a_writer_that_nobody_hears_gives_up_in_time(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """A full outbox blocks the node that writes, then raises WriterBlocked in it; the rest of the worker goes on."""
    monkeypatch.setattr(outbox, "SEND_BUFFER_BYTES_MAX", 1000)
    monkeypatch.setattr(outbox, "WRITER_BLOCK_MS", 100)
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        worker = made.worker()
        client = made.client()
        assert client.graph("emits").invoke({"what": 1000})["grown"] == [1000], "a slow broker is waited for"
        publish, gate = worker.broker.publish, threading.Event()

        def blocked(*args: Any) -> None:
            assert gate.wait(LIMIT_S)
            publish(*args)

        monkeypatch.setattr(worker.broker, "publish", blocked)
        run_id = client.graph("emits_without_end").start({"who": who})
        assert heard(who) == "WriterBlocked"
        gate.set()
        with pytest.raises(WriterBlocked, match=r"0\.1 s"):
            client.result(run_id)
        assert client.graph("emits").invoke({"what": 1000})["grown"] == [1000]
