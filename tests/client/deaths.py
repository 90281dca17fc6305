"""Ways in which a reader of a stream ends. Each reads the first item, so the run has begun."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest


class Dropped(Exception):
    """Of a loop's body."""


async def wrapped(stream: Any) -> AsyncIterator[Any]:
    """What an application writes around a stream."""
    async for item in stream:
        yield item


async def leaves_the_loop(stream: Any) -> None:
    async for _ in stream:
        break


async def raises_in_the_body(stream: Any) -> None:
    async for _ in stream:
        raise Dropped


async def raises_and_holds_the_error(stream: Any) -> None:
    error: Any = None
    try:
        await raises_in_the_body(stream)
    except Dropped as caught:
        error = caught
    assert error is not None
    error.itself = error  # garbage, but only for the collector


async def drops_a_wrapper(stream: Any) -> None:
    async for _ in wrapped(stream):
        break


async def raises_around_a_wrapper(stream: Any) -> None:
    async for _ in wrapped(wrapped(stream)):
        raise Dropped


async def closes_a_wrapper(stream: Any) -> None:
    async with aclosing(wrapped(stream)) as items:  # type: ignore[type-var]
        async for _ in items:
            return


async def is_cancelled_while_it_reads(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            began.set()

    began = asyncio.Event()
    task = asyncio.ensure_future(read())
    await began.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def is_cancelled_between_reads(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            began.set()
            await asyncio.Event().wait()

    began = asyncio.Event()
    task = asyncio.ensure_future(read())
    await began.wait()
    task.cancel()
    await asyncio.wait([task])


async def times_out(stream: Any) -> None:
    async def read() -> None:
        async for _ in stream:
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(read(), 0.3)


async def leaves_a_task_behind(stream: Any) -> None:
    """`asyncio.run` cancels it."""

    async def read() -> None:
        async for _ in stream:
            began.set()

    began = asyncio.Event()
    tasks.append(asyncio.ensure_future(read()))
    await began.wait()


async def leaves_a_generator_behind(stream: Any) -> None:
    """`asyncio.run` closes it."""
    left.append(wrapped(stream))
    await left[-1].__anext__()


async def closes_it_in_a_cancelled_scope(stream: Any) -> None:
    """What Starlette does when a client has gone: each `await` of the cleanup raises at once."""
    anyio = pytest.importorskip("anyio")
    await stream.__anext__()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stream.aclose()


async def closes_it_twice(stream: Any) -> None:
    await stream.__anext__()
    await asyncio.gather(stream.aclose(), stream.aclose())


tasks: list[Any] = []
left: list[Any] = []

WAYS: list[Callable[[Any], Any]] = [
    leaves_the_loop,
    raises_in_the_body,
    raises_and_holds_the_error,
    drops_a_wrapper,
    raises_around_a_wrapper,
    closes_a_wrapper,
    is_cancelled_while_it_reads,
    is_cancelled_between_reads,
    times_out,
    leaves_a_task_behind,
    leaves_a_generator_behind,
    closes_it_in_a_cancelled_scope,
    closes_it_twice,
]


def die(way: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    async def main() -> None:
        await way(make())

    with suppress(Dropped, asyncio.CancelledError):
        asyncio.run(main())
    tasks.clear()
    left.clear()
    gc.collect()
