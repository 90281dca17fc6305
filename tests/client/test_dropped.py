"""However a stream object dies, its run ends as `on_close` says: no slot of a worker is burnt by what nobody reads."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.client import graphs
from tests.client.deaths import WAYS, Dropped, die
from tests.client.graphs import gates
from tests.client.scripted import Script, accept
from tests.inside import LIMIT_S, Inside

from drumline import Cluster
from drumline.errors import NoBroker
from drumline_protocol.messages import CancelRun, RunRequest


@pytest.fixture
def who() -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    gates[name].set()


def heard(who: str) -> str:
    """What the node of a run says next."""
    return graphs.told[who].get(timeout=LIMIT_S)


def opened(cluster: Cluster, who: str, **options: Any) -> Any:
    """A stream whose run waits in a node until it is cancelled."""
    return cluster.graph("waits").astream({"who": who}, stream_mode="custom", **options)


@pytest.mark.parametrize("way", WAYS)
def test_an_async_stream_that_dies_cancels_its_run(cluster: Cluster, who: str, way: Any) -> None:
    die(way, lambda: opened(cluster, who))
    assert (heard(who), heard(who)) == ("waiting", "cancelled")


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_shall_continue_does(cluster: Cluster, who: str, way: Any) -> None:
    die(way, lambda: opened(cluster, who, on_close="continue"))
    cluster.link.canceller.flush()
    assert heard(who) == "waiting"
    gates[who].set()
    found = heard(who)
    while found == "waiting":  # a busy machine: its worker has lost the task meanwhile, and it runs again
        found = heard(who)
    assert found == "done"


# -- without a loop -----------------------------------------------------------------------------------


def read_one(stream: Any) -> Any:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(stream.__anext__())
    return loop


def test_a_stream_outlives_its_loop(cluster: Cluster, who: str) -> None:
    stream = opened(cluster, who)
    read_one(stream).close()
    del stream
    assert (heard(who), heard(who)) == ("waiting", "cancelled")


def test_a_task_outlives_its_loop(
    cluster: Cluster, who: str, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loop that is closed with a reader in it: what Python says when it destroys the task is all that is said."""
    stream = opened(cluster, who)
    loop = read_one(stream)
    task = loop.create_task(stream.__anext__())
    for _ in range(3):
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del task, stream
    gc.collect()
    assert (heard(who), heard(who)) == ("waiting", "cancelled")
    assert "Event loop is closed" not in capsys.readouterr().err
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_is_collected_in_another_thread(cluster: Cluster, who: str) -> None:
    gc.disable()
    try:
        stream = opened(cluster, who)
        read_one(stream).close()
        cycle = {"stream": stream}
        cycle["itself"] = cycle
        del stream, cycle
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()
    finally:
        gc.enable()
    assert (heard(who), heard(who)) == ("waiting", "cancelled")


@pytest.mark.parametrize("how", ["drop", "generator", "thread", "body"])
def test_a_sync_stream_that_dies_cancels_its_run(cluster: Cluster, who: str, how: str) -> None:
    def items() -> Iterator[Any]:
        yield from cluster.graph("waits").stream({"who": who}, stream_mode="custom")

    if how == "drop":
        for _ in cluster.graph("waits").stream({"who": who}, stream_mode="custom"):
            break
    elif how == "generator":
        for _ in items():
            break
    elif how == "thread":
        thread = threading.Thread(target=lambda: next(items()))
        thread.start()
        thread.join()
    else:
        with suppress(Dropped):
            for _ in items():
                raise Dropped
    gc.collect()
    assert (heard(who), heard(who)) == ("waiting", "cancelled")


def test_an_awaited_call_that_is_cancelled_cancels_its_run(cluster: Cluster, who: str) -> None:
    async def main() -> None:
        calls = [{"who": who}, {"who": f"{who}2"}]
        task = asyncio.ensure_future(asyncio.gather(*(cluster.graph("waits").ainvoke(call) for call in calls)))
        await asyncio.to_thread(heard, who)
        await asyncio.to_thread(heard, f"{who}2")
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert (heard(who), heard(f"{who}2")) == ("cancelled", "cancelled")


def test_a_cluster_that_is_closed_has_cancelled_what_was_dropped(inside: Inside, who: str) -> None:
    with inside.client() as cluster:
        read_one(opened(cluster, who)).close()
    assert (heard(who), heard(who)) == ("waiting", "cancelled")


# -- with the process ---------------------------------------------------------------------------------


@contextmanager
def dying(inside: Inside, who: str, how: str) -> Iterator[subprocess.Popen[str]]:
    path = Path(__file__).with_name("dying.py")
    command = [sys.executable, str(path), inside.url, inside.prefix, who, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["global_async", "global_sync", "in_a_cycle", "unhandled", "exits"])
def test_the_end_of_the_interpreter_cancels_what_is_open(inside: Inside, who: str, how: str) -> None:
    with dying(inside, who, how) as process:
        assert (heard(who), heard(who)) == ("waiting", "cancelled")
        _, told = process.communicate(timeout=LIMIT_S)
    assert "leaving.py" not in told and "could not be cancelled" not in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_copies_in_the_child_of_a_fork_cancel_nothing(inside: Inside, who: str) -> None:
    with dying(inside, who, "forks") as process:
        assert heard(who) == "waiting"
        assert process.stdout is not None
        assert process.stdout.readline() == "the child has ended\n"
        gates[who].set()
        assert heard(who) == "done"
        process.wait(LIMIT_S)


# -- what is sent -------------------------------------------------------------------------------------


def test_a_stream_that_was_never_read_has_no_run(script: Script) -> None:
    cluster = script.cluster()

    async def main() -> None:
        cluster.graph("says").astream({"n": 1})
        async with cluster.graph("says").astream({"n": 1}):
            pass
        await cluster.graph("says").astream({"n": 1}).aclose()

    asyncio.run(main())
    cluster.close()
    assert script.asked() == []


@pytest.mark.parametrize("call", ["astream", "ainvoke", "astart"])
def test_who_is_cancelled_while_his_run_is_being_asked_for_leaves_none(
    script: Script, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The request is on its way in another thread: the cancel must come behind it."""
    cluster = script.cluster()
    submit, asking, go = cluster.link.submit, threading.Event(), threading.Event()

    def slow(*args: Any) -> None:
        asking.set()
        assert go.wait(LIMIT_S)
        submit(*args)

    monkeypatch.setattr(cluster.link, "submit", slow)
    monkeypatch.setattr(cluster.link, "await_accepted", lambda *_args: None)
    graph = cluster.graph("says")

    async def main() -> None:
        if call == "astream":
            task = asyncio.ensure_future(graph.astream({"n": 1}).__anext__())
        else:
            task = asyncio.ensure_future(getattr(graph, call)({"n": 1}))
        await asyncio.to_thread(asking.wait, LIMIT_S)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        go.set()

    asyncio.run(main())  # which waits for its threads
    cluster.close()
    assert [type(message) for message in script.asked()] == [RunRequest, CancelRun]


def test_a_broker_that_is_gone_is_no_trouble_for_who_drops_a_stream(
    script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = script.cluster()
    first, second = (cluster.graph("says").stream({"n": 1}, stream_mode="custom") for _ in range(2))
    for stream in (first, second):
        accept(script, stream.run_id)
        assert next(stream) == "a"
    cancel, kept = cluster.link.cancel, second.run_id

    def picky(run_id: str, reason: str, thread: str | None = None) -> None:
        if run_id != kept:
            raise NoBroker("memory://", "gone")
        cancel(run_id, reason, thread)

    monkeypatch.setattr(cluster.link, "cancel", picky)
    del stream, first, second
    cluster.link.canceller.flush()
    assert [message.run for message in script.cancels()] == [kept]
    assert "could not be cancelled: NoBroker" in caplog.text


def test_notes_that_interrupt_each_other_are_all_kept(script: Script) -> None:
    """Many threads drop streams while the canceller's thread ends and begins."""
    canceller = script.cluster().link.canceller
    done: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: [(canceller.soon(lambda: done.append(1)), canceller.flush()) for _ in range(50)]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    canceller.finish()
    assert len(done) == 400
