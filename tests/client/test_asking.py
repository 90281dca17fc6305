"""What a client's requests say, and how it comes to its connection."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from tests.client.graphs import GRAPHS
from tests.client.scripted import PROGRAM, Script, finished_run

from drumline.errors import (
    NoBroker,
    NoCoordinator,
)
from drumline_protocol.codec import unbox
from drumline_protocol.trace_ids import TRACE

pytestmark = pytest.mark.usefixtures("short_waits")


def graph(script: Script, **options: Any) -> Any:
    return script.cluster(**options).graph("says")


def request_of(script: Script, call: Any) -> Any:
    with pytest.raises(NoCoordinator):
        call()
    return script.requests()[-1]


def test_a_request_says_what_its_caller_gave(script: Script) -> None:
    config = {
        "run_id": "mine",
        "tags": ["t"],
        "metadata": {"m": 1},
        "recursion_limit": 7,
        "max_concurrency": 2,
        "configurable": {"c": 2},
    }
    request = request_of(script, lambda: list(graph(script).stream({"n": 1}, config, context={"k": 1})))
    assert request.run_id == "mine"
    assert (request.graph, unbox(request.input), request.context) == ("says", {"n": 1}, {"k": 1})
    assert request.config == {key: value for key, value in config.items() if key != "run_id"}
    assert (request.recorded, request.subgraphs, request.fingerprint) == (("updates",), False, None)
    assert not request.is_async


def test_what_a_stream_records(script: Script) -> None:
    def recorded(**options: Any) -> Any:
        request = request_of(script, lambda: list(graph(script).stream({"n": 1}, **options)))
        return request.recorded, request.subgraphs

    assert recorded(stream_mode="custom") == (("custom",), False)
    assert recorded(stream_mode=["values", "messages"], subgraphs=True) == (("values", "messages"), True)
    assert recorded(print_mode="custom") == (("updates", "custom"), False)
    assert recorded(debug=True) == (("updates", "values"), False)


def test_start_records_everything(script: Script) -> None:
    from drumline.views import MODES

    request = request_of(script, lambda: graph(script).start({"n": 1}, {"run_id": "mine"}, context=5))
    assert (request.run_id, request.context) == ("mine", 5)
    assert request.subgraphs
    assert set(request.recorded) == set(MODES)
    assert not request.is_async
    assert request_of(script, lambda: asyncio.run(graph(script).astart({"n": 1}))).is_async


def test_async_calls_say_so(script: Script) -> None:
    assert request_of(script, lambda: asyncio.run(graph(script).ainvoke({"n": 1}))).is_async
    bound = GRAPHS["says"].on(script.cluster())
    assert request_of(script, lambda: asyncio.run(bound.ainvoke({"n": 1}))).is_async
    request = request_of(script, lambda: bound.invoke({"n": 1}))
    assert not request.is_async
    assert request.fingerprint == PROGRAM.fingerprint


def test_callbacks_do_not_travel(script: Script) -> None:
    config = {"callbacks": [BaseCallbackHandler()], "tags": ["t"]}
    asked = request_of(script, lambda: list(graph(script).stream({"n": 1}, config)))
    assert {key: value for key, value in asked.config.items() if key != TRACE} == {"tags": ["t"]}


def test_callbacks_of_a_run_that_nobody_reads_hear_nothing_and_a_warning_says_so(script: Script) -> None:
    config = {"callbacks": [BaseCallbackHandler()], "tags": ["t"]}
    with pytest.warns(RuntimeWarning, match="callbacks"):
        request = request_of(script, lambda: graph(script).start({"n": 1}, config))
    assert request.config == {"tags": ["t"]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request_of(script, lambda: graph(script).start({"n": 1}, {"callbacks": []}))


def test_runs_have_ids_of_their_own(script: Script) -> None:
    one, other = graph(script).stream({"n": 1}), graph(script).stream({"n": 1})
    assert one.run_id != other.run_id


# -- the connection --------------------------------------------------------------------------------


def test_a_cluster_that_was_closed_connects_again(script: Script) -> None:
    finished_run(script)
    cluster = script.cluster()
    assert script.opened == [], "it connects when it is used"
    assert cluster.result("r") == {"out": 3}
    assert len(script.opened) == 1
    cluster.close()
    cluster.close()
    with pytest.raises(NoBroker):
        script.opened[0].time_ms()
    assert cluster.result("r") == {"out": 3}
    assert len(script.opened) == 2


def test_leaving_the_block_of_a_cluster_closes_it(script: Script) -> None:
    with script.cluster() as cluster:
        cluster.broker()
    with pytest.raises(NoBroker):
        script.opened[0].time_ms()


def test_many_threads_share_one_connection(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    connect, second = script.connect, threading.Event()

    def slowly(*args: Any, **options: Any) -> Any:
        made = connect(*args, **options)
        if len(script.opened) > 1:
            second.set()
        second.wait(0.05)  # as long as it takes another thread to come in, if it may
        return made

    monkeypatch.setattr("drumline_transport.redis_broker.connect", slowly)
    cluster = script.cluster()
    with ThreadPoolExecutor(8) as threads:
        brokers = list(threads.map(lambda _: cluster.broker(), range(64)))
    assert len(set(map(id, brokers))) == len(script.opened) == 1


def test_a_cluster_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from drumline import Cluster

    monkeypatch.delenv("DRUMLINE_BROKER", raising=False)
    with pytest.raises(ValueError, match="DRUMLINE_BROKER"):
        Cluster()
    monkeypatch.setenv("DRUMLINE_BROKER", "redis://one:1")
    assert Cluster().url == "redis://one:1"
    assert Cluster("redis://:secret@two:2").url == "redis://:secret@two:2"
    assert "secret" not in repr(Cluster("redis://:secret@two:2"))
