"""The cluster of threads: streams as embedded, and nothing left of it when it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from drumline.graph import START, StateGraph
from drumline.testing import LocalCluster, assert_same_stream, local_cluster, record
from drumline_protocol.errors import RunCancelled

from .graphs import INPUT, KINDS, State, plain


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """As a user writes it."""
    with local_cluster({name: build() for name, (build, _) in KINDS.items()}) as cluster:
        yield cluster


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use_async", [False, True])
def test_streams_are_those_of_embedded_runs(cluster: LocalCluster, kind: str, use_async: bool) -> None:
    expected = record(KINDS[kind][0](), INPUT, use_async=use_async)
    assert_same_stream(expected, record(cluster.graph(kind), INPUT, use_async=use_async))


def test_the_calls_of_a_client(cluster: LocalCluster) -> None:
    run_id = cluster.graph("plain").start(INPUT)
    assert cluster.result(run_id) == plain().invoke(INPUT)
    assert cluster.status(run_id)["status"] == "done"
    assert list(cluster.join(run_id)) == list(plain().stream(INPUT))
    cluster.delete(run_id)
    assert cluster.graph("plain").batch([INPUT, INPUT]) == [plain().invoke(INPUT)] * 2
    with pytest.raises(ValueError, match="and no graph 'nobody'"):
        cluster.graph("nobody")


def test_an_async_caller_is_cancelled(cluster: LocalCluster) -> None:
    async def leave() -> str:
        stream = cluster.graph("async").astream(INPUT, stream_mode="custom")
        assert await anext_(stream) == "asks"
        await stream.aclose()
        return str(stream.run_id)

    run_id = asyncio.run(leave())
    try:  # its last word may have come before
        cluster.result(run_id)
    except RunCancelled:
        assert cluster.status(run_id)["status"] == "cancelled"


async def anext_(stream: Any) -> Any:
    """`anext`, which Python 3.10 has under this name too; typed."""
    return await stream.__anext__()


def test_a_node_may_call_its_own_cluster() -> None:
    def call(_state: State) -> State:
        return {"log": mine.graph("inner").invoke(INPUT)["log"]}

    outer = StateGraph(State).add_node("call", call).add_edge(START, "call").compile()
    with local_cluster({"inner": plain(), "outer": outer}, workers=1, concurrency=1) as mine:
        assert mine.graph("outer").invoke(INPUT)["log"] == ["begin", *plain().invoke(INPUT)["log"]]


def test_nothing_is_left() -> None:
    before = set(threading.enumerate())
    with local_cluster({"graph": plain()}, workers=3, coordinators=2) as cluster:
        cluster.graph("graph").invoke(INPUT)
        services = [service._thread for service in cluster._services]
        loops = [service._service.runner._loop for service in cluster._services if hasattr(service._service, "runner")]
        assert len(services) == 5 and all(thread.is_alive() for thread in services)
    assert not any(thread.is_alive() for thread in services)
    assert len(loops) == 3 and all(loop.loop.is_closed() for loop in loops)
    left = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("drumline-worker")]
    assert not left


def test_a_service_that_dies_is_told() -> None:
    cluster = local_cluster({"graph": plain()})
    worker = next(service for service in cluster._services if service.name == "worker-1")
    worker._service._fail(RuntimeError("its selector broke"))
    with pytest.raises(RuntimeError, match=r"worker-1 died: RuntimeError\('its selector broke'\)"):
        cluster.close()
