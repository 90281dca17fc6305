"""A client that ends with an open stream: `dying.py url prefix who how`. The way is one of the functions below."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

from drumline import Cluster

URL, PREFIX, WHO, HOW = sys.argv[1:]
cluster = Cluster(URL, prefix=PREFIX)
kept: list[Any] = []


def opened(kind: str) -> Any:
    return getattr(cluster.graph("waits"), kind)({"who": WHO}, stream_mode="custom")


def global_async() -> None:
    stream = opened("astream")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(stream.__anext__())
    kept.extend((stream, loop))


def global_sync() -> None:
    stream = opened("stream")
    next(stream)
    kept.append(stream)


def in_a_cycle() -> None:
    gc.disable()
    stream = opened("stream")
    next(stream)
    cycle = [stream]
    cycle.append(cycle)


def unhandled() -> None:
    async def main() -> None:
        async for _ in opened("astream"):
            raise RuntimeError("of the application")

    asyncio.run(main())


def exits() -> None:
    async def main() -> None:
        stream = opened("astream")
        await stream.__anext__()
        kept.append(stream)
        sys.exit(3)

    asyncio.run(main())


def forks() -> None:
    """The child's copies die, also at its end, and only they."""
    streams = [opened("astream"), opened("stream")]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(streams[0].__anext__())
    child = os.fork()
    if not child:
        kept.append(streams[0])
        del streams
        gc.collect()
        sys.exit(0)
    os.waitpid(child, 0)
    print("the child has ended", flush=True)
    loop.run_until_complete(_exhaust(streams[0]))


async def _exhaust(stream: Any) -> None:
    async for _ in stream:
        pass


globals()[HOW]()
