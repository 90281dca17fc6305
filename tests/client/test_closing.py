"""When a client's stream begins a run, gives it up and cancels it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.client.scripted import Script, accept

from drumline.errors import (
    NoBroker,
    NoCoordinator,
)

pytestmark = pytest.mark.usefixtures("short_waits")


def graph(script: Script, **options: Any) -> Any:
    return script.cluster(**options).graph("says")


def first_item(script: Script, **options: Any) -> Any:
    stream = graph(script).stream({"n": 1}, stream_mode="custom", **options)
    accept(script, stream.run_id)
    assert next(stream) == "a"
    return stream


def test_nothing_is_sent_before_the_first_item_is_asked_for(script: Script) -> None:
    stream = graph(script).stream({"n": 1})
    assert script.asked() == []
    stream.close()
    assert script.asked() == [], "and a run that was never asked for is not cancelled"
    assert list(stream) == []


def test_a_run_that_nobody_accepts_is_given_up(script: Script) -> None:
    stream = graph(script).stream({"n": 1})
    begun_at = time.monotonic()
    with pytest.raises(NoCoordinator, match=r"within 0\.\d s"):
        next(stream)
    assert time.monotonic() - begun_at >= 0.05
    assert [message.run for message in script.cancels()] == [stream.run_id], "it must not begin later"
    assert list(stream) == []


def test_a_start_that_nobody_accepts_is_given_up(script: Script) -> None:
    with pytest.raises(NoCoordinator, match=r"within 0\.\d s"):
        graph(script).start({"n": 1})
    (request,) = script.requests()
    assert [message.run for message in script.cancels()] == [request.run_id]


def test_an_async_run_that_nobody_accepts_is_given_up(script: Script) -> None:
    async def read() -> str:
        stream = graph(script).astream({"n": 1})
        with pytest.raises(NoCoordinator):
            await stream.__anext__()
        return str(stream.run_id)

    run_id = asyncio.run(read())
    assert [message.run for message in script.cancels()] == [run_id]
    with pytest.raises(NoCoordinator):
        asyncio.run(graph(script).astart({"n": 1}))
    assert len(script.cancels()) == 2


def test_a_run_that_continues_on_close_is_given_up_all_the_same_if_nobody_accepts_it(script: Script) -> None:
    """`on_close` is about closing a stream: the caller was told that there is no run, so none may begin."""
    stream = graph(script).stream({"n": 1}, on_close="continue")
    with pytest.raises(NoCoordinator):
        next(stream)
    assert [message.run for message in script.cancels()] == [stream.run_id]


def test_closing_a_stream_cancels_its_run_once(script: Script) -> None:
    stream = first_item(script)
    stream.close()
    stream.close()
    assert [(message.run, bool(message.reason)) for message in script.cancels()] == [(stream.run_id, True)]
    assert list(stream) == ["b"], "what it had read already is still there"


def test_dropping_a_stream_cancels_its_run(script: Script) -> None:
    cluster = script.cluster()
    stream = cluster.graph("says").stream({"n": 1}, stream_mode="custom")
    accept(script, stream.run_id)
    assert next(stream) == "a"
    run_id = stream.run_id
    del stream
    cluster.link.canceller.flush()
    assert [message.run for message in script.cancels()] == [run_id]


def test_leaving_the_block_of_a_stream_cancels_its_run(script: Script) -> None:
    with first_item(script) as stream:
        assert script.cancels() == []
    assert [message.run for message in script.cancels()] == [stream.run_id]


def test_a_stream_may_leave_its_run_alone(script: Script) -> None:
    first_item(script, on_close="continue").close()
    assert script.cancels() == []


def test_a_stream_of_a_run_that_has_ended_cancels_nothing(script: Script) -> None:
    stream = first_item(script)
    script.finish(stream.run_id, 6)
    assert list(stream) == ["b"]
    stream.close()
    del stream
    assert script.cancels() == []


@pytest.mark.parametrize("value", ["stop", "", None, True])
def test_on_close_takes_two_words(script: Script, value: Any) -> None:
    with pytest.raises(ValueError, match="'cancel' or 'continue'"):
        graph(script).stream({"n": 1}, on_close=value)


def test_a_joined_stream_leaves_its_run_alone(script: Script) -> None:
    accept(script, "r")
    stream = script.cluster().join("r", stream_mode="custom")
    assert next(stream) == "a"
    stream.close()
    del stream
    assert script.cancels() == []


def test_ctrl_c_cancels_the_run_and_trouble_with_the_broker_does_not(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, count in ((KeyboardInterrupt(), 1), (NoBroker("memory://", "gone"), 1)):
        stream = first_item(script)
        assert next(stream) == "b"

        def broken(*_args: Any, error: BaseException = error) -> Any:
            raise error

        monkeypatch.setattr(stream._log, "read", broken)
        with pytest.raises(type(error)):
            next(stream)
        stream.close()
        assert len(script.cancels()) == count, "a vanished client cancels nothing"


def test_an_async_stream_that_is_closed_cancels_its_run(script: Script) -> None:
    async def read(close: bool, **options: Any) -> None:
        stream = graph(script).astream({"n": 1}, stream_mode="custom", **options)
        accept(script, stream.run_id)
        async with stream:
            assert await stream.__anext__() == "a"
            if close:
                await stream.aclose()

    asyncio.run(read(True, on_close="continue"))
    assert script.cancels() == []
    for number, close in enumerate((True, False), 1):
        asyncio.run(read(close))
        assert len(script.cancels()) == number
