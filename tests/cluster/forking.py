"""A program that uses a cluster, forks, and uses it in child and parent.

`python -m tests.cluster.forking NAME URL PREFIX`. It is a process of its own, so that its children may end as any child
does. It ends with 0 if all was right.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.errors import LogGap, RunCancelled
from drumline.graph import START, StateGraph

CHILDREN, CALLS = 4, 30
#: what a child may take: much more than it needs
_CHILD_S = 60


def fork(run: Callable[[], None], *, hard: bool = False) -> int:
    """Run `run` in a child; it ends as a Python program does, or at once when `hard`."""
    pid = os.fork()
    if pid:
        return pid
    try:
        run()
    except SystemExit:
        raise  # a grandchild that ends as a program does
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    if hard:
        os._exit(0)
    sys.exit(0)


def await_children(pids: list[int]) -> None:
    deadline = time.monotonic() + _CHILD_S
    for pid in pids:
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                assert os.waitstatus_to_exitcode(status) == 0, f"a child ended with {status}"
                break
            assert time.monotonic() < deadline, "a child hangs"
            time.sleep(0.01)


def topic(number: int) -> dict[str, Any]:
    return {"topic": f"{os.getpid()}-{threading.get_ident()}-{number}"}


def right(given: dict[str, Any], result: dict[str, Any]) -> bool:
    return bool(result["joke"] == f"This is a joke about {given['topic']} and cats")


def invokes(cluster: Cluster, count: int = CALLS) -> None:
    graph = cluster.graph("joke")
    for number in range(count):
        given = topic(number)
        result = graph.invoke(given)
        assert right(given, result), f"{given} became {result}"


async def ainvokes(cluster: Cluster) -> None:
    graph, given = cluster.graph("joke"), [topic(number) for number in range(CALLS)]
    results = await asyncio.gather(*map(graph.ainvoke, given))
    assert all(map(right, given, results)), results


# -- the programs -----------------------------------------------------------------------------------


def sync_calls(cluster: Cluster) -> None:
    """Children and parent call at the same time."""
    invokes(cluster, 3)
    pids = [fork(lambda: invokes(cluster), hard=number % 2 == 0) for number in range(CHILDREN)]
    invokes(cluster)
    await_children(pids)
    invokes(cluster, 3)


def async_calls(cluster: Cluster) -> None:
    """The same in event loops, after one that ran before the fork."""
    asyncio.run(ainvokes(cluster))
    pids = [fork(lambda: asyncio.run(ainvokes(cluster))) for _ in range(CHILDREN)]
    asyncio.run(ainvokes(cluster))
    await_children(pids)
    asyncio.run(ainvokes(cluster))


def busy_threads(cluster: Cluster) -> None:
    """Threads of the parent hold locks and wait for replies while it forks, again and again."""
    stop, wrong = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            while not stop.is_set():
                invokes(cluster, 1)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            await_children([fork(lambda: invokes(cluster, 5))])
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def half_read_streams(cluster: Cluster) -> None:
    """A child that drops, closes or leaves a stream of its parent does not end the parent's run."""
    given = {"count": 30, "pause_s": 0.01, "mark": ""}
    stream = cluster.graph("tokens").stream(given, stream_mode="custom")
    streams = [stream]
    del stream
    assert [next(streams[0])["token"] for _ in range(5)] == list(range(5))

    def drop() -> None:
        streams.clear()
        gc.collect()

    def leave() -> None:
        with streams[0] as stream:
            assert next(stream)["token"] == 5, "it may be read in the child too"

    pids = [fork(drop), fork(drop, hard=True), fork(leave), fork(streams[0].close), fork(lambda: None)]
    await_children(pids)
    assert [item["token"] for item in streams[0]] == list(range(5, 30))
    assert cluster.result(streams[0].run_id)["said"].endswith("29")


def half_read_async_streams(cluster: Cluster) -> None:
    """The same while a reader waits in an event loop, whose list of sockets the child shares."""

    async def read() -> None:
        stream = cluster.graph("tokens").astream({"count": 3, "pause_s": 0.5, "mark": ""}, stream_mode="custom")
        assert (await stream.__anext__())["token"] == 0
        waiting = stream.__anext__()
        wanted = asyncio.ensure_future(waiting)
        await asyncio.sleep(0.05)  # it waits for its socket now

        def drop() -> None:
            """What the collector of garbage does with a coroutine that nobody holds any more."""
            coroutine: Any = waiting
            while coroutine.cr_await is not None and hasattr(coroutine.cr_await, "cr_await"):
                coroutine = coroutine.cr_await
            coroutine.close()
            gc.collect()

        await_children([fork(drop, hard=True)])
        assert (await asyncio.wait_for(wanted, 5))["token"] == 1
        assert [item["token"] async for item in stream] == [2]

    asyncio.run(read())


class Count(TypedDict, total=False):
    count: int


def embedded_graphs(_cluster: Cluster) -> None:
    """Graphs that run here: the background loop and the threads of the parent are not there in a child."""
    entered, go = threading.Event(), threading.Event()

    async def add(state: Count) -> Count:
        await asyncio.sleep(0)
        return {"count": state["count"] + 1}

    def wait(_state: Count) -> None:
        entered.set()
        assert go.wait(30)

    async def await_it(_state: Count) -> None:
        while not go.is_set():
            await asyncio.sleep(0.01)

    asynchronous = StateGraph(Count).add_sequence([("a", add), ("b", add)]).add_edge(START, "a").compile()
    mixed = StateGraph(Count).add_node("w", wait).add_node("x", await_it).add_node("a", add)
    slow = mixed.add_edge(START, "w").add_edge(START, "x").add_edge(START, "a").compile()
    assert asynchronous.invoke({"count": 1}) == {"count": 3}
    streams = [slow.stream({"count": 1}, stream_mode="updates")]
    assert next(streams[0]) == {"a": {"count": 2}}
    assert entered.wait(10)

    def child() -> None:
        assert asynchronous.invoke({"count": 5}) == {"count": 7}
        assert asynchronous.batch([{"count": n} for n in range(20)]) == [{"count": n + 2} for n in range(20)]
        assert asyncio.run(asynchronous.ainvoke({"count": 5})) == {"count": 7}
        with pytest.raises(RuntimeError, match="when the process forked"):
            next(streams[0])  # nodes of the parent cannot go on in a child
        streams.clear()
        gc.collect()

    def drop() -> None:
        streams.clear()
        gc.collect()

    await_children([fork(child), fork(drop), fork(lambda: None)])
    go.set()
    assert len(list(streams[0])) == 2
    assert asynchronous.invoke({"count": 1}) == {"count": 3}


def grandchildren(cluster: Cluster) -> None:
    """A child that has used the cluster forks too."""

    def child() -> None:
        invokes(cluster, 3)
        pids = [fork(lambda: invokes(cluster, 5)) for _ in range(2)]
        invokes(cluster, 5)
        await_children(pids)

    invokes(cluster, 3)
    await_children([fork(child), fork(child)])
    invokes(cluster, 3)


def closing(cluster: Cluster) -> None:
    """A child that closes the cluster, and uses it again, does not close the parent's."""
    stream = cluster.graph("tokens").stream({"count": 30, "pause_s": 0.01, "mark": ""}, stream_mode="custom")
    assert next(stream)["token"] == 0

    def child() -> None:
        cluster.close()
        invokes(cluster, 2)
        cluster.close()

    await_children([fork(child), fork(child, hard=True)])
    assert [item["token"] for item in stream] == list(range(1, 30))


_PROGRAMS = (
    sync_calls,
    async_calls,
    busy_threads,
    half_read_streams,
    half_read_async_streams,
    embedded_graphs,
    grandchildren,
    closing,
)
PROGRAMS = {program.__name__: program for program in _PROGRAMS}


def main(name: str, url: str, prefix: str) -> None:
    with Cluster(url, prefix=prefix) as cluster:
        try:
            PROGRAMS[name](cluster)
        except (LogGap, RunCancelled) as error:
            raise AssertionError(f"a child harmed its parent: {error!r}") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
