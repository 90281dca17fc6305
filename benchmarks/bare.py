"""The bare Redis loops: what the same way costs with redis-py and nothing else.

`echo` and `aecho` answer every entry of a stream on another (coordinator -> worker -> coordinator). `source` writes
events and `forward` copies them to the stream of their run (worker -> coordinator -> client). Run as
`python -m benchmarks.bare ROLE URL`; ends by SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Any

import redis
import redis.asyncio as aredis

#: about what a task message and its result take
TASK, ANSWER = b"t" * 300, b"r" * 150
READ_COUNT = 500
PIPELINE = 256


def connect(url: str) -> Any:
    """A blocking client without timeouts, replies as bytes."""
    return redis.Redis.from_url(url, protocol=2, socket_timeout=None)


def aconnect(url: str) -> Any:
    """The twin of `connect` for an event loop."""
    return aredis.Redis.from_url(url, protocol=2, socket_timeout=None)


# -- the coordinator's side of the loop ------------------------------------------------------------


class Ping:
    """Sends tasks to an `echo` peer and awaits the answers."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._after = b"0-0"

    def one_by_one(self, count: int) -> None:
        """`count` round trips, each awaited before the next."""
        server, after = self._redis, self._after
        for _ in range(count):
            server.xadd("bare:tasks", {"d": TASK})
            after = server.xread({"bare:results": after}, count=READ_COUNT, block=0)[0][1][-1][0]
        self._after = after

    def all_at_once(self, count: int) -> None:
        """`count` tasks in pipelines, then their answers."""
        server, after, open_ = self._redis, self._after, count
        for first in range(0, count, PIPELINE):
            pipe = server.pipeline(transaction=False)
            for _ in range(min(PIPELINE, count - first)):
                pipe.xadd("bare:tasks", {"d": TASK})
            pipe.execute()
        while open_:
            rows = server.xread({"bare:results": after}, count=READ_COUNT, block=0)[0][1]
            open_ -= len(rows)
            after = rows[-1][0]
        self._after = after

    def close(self) -> None:
        self._redis.close()


class AsyncPing:
    """The twin of `Ping` for an event loop, with an `aecho` peer."""

    def __init__(self, url: str) -> None:
        self._redis = aconnect(url)
        self._after = b"0-0"

    async def one_by_one(self, count: int) -> None:
        """`count` round trips, each awaited before the next."""
        server, after = self._redis, self._after
        for _ in range(count):
            await server.xadd("bare:atasks", {"d": TASK})
            after = (await server.xread({"bare:aresults": after}, count=READ_COUNT, block=0))[0][1][-1][0]
        self._after = after

    async def close(self) -> None:
        await self._redis.aclose()


# -- the client's side of the two-hop path -----------------------------------------------------------


class Tail:
    """Tells the `source` peer what to write and reads what `forward` makes of it."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)
        self._turn = 0

    def burst(self, count: int) -> None:
        """`count` events of one run, as fast as they come."""
        self._read(self._order("burst", runs=1, count=count), count)

    def paced(self, runs: int, rate: int, count: int) -> list[float]:
        """`count` events in each of `runs` runs, `rate` a second. The seconds from writing to reading of each."""
        return self._read(self._order("paced", runs=runs, rate=rate, count=count), runs * count)

    def _order(self, what: str, *, runs: int, count: int, rate: int = 0) -> dict[Any, Any]:
        self._turn += 1
        logs = [f"bare:log:{self._turn}:{run}" for run in range(runs)]
        self._redis.xadd("bare:orders", {"what": what, "logs": " ".join(logs), "count": count, "rate": rate})
        return dict.fromkeys((log.encode() for log in logs), b"0-0")

    def _read(self, after: dict[Any, Any], events: int) -> list[float]:
        logs = list(after)
        delays: list[float] = []
        while len(delays) < events:
            for log, rows in self._redis.xread(after, count=READ_COUNT, block=0):
                now = time.monotonic()
                delays.extend(now - float(row[1][b"at"]) for row in rows)
                after[log] = rows[-1][0]
        self._redis.delete(*logs)
        return delays

    def close(self) -> None:
        self._redis.close()


# -- peers --------------------------------------------------------------------------------------------


def echo(url: str) -> None:
    """Answer every task, those that come together in one pipeline."""
    server, after = connect(url), b"0-0"
    while True:
        rows = server.xread({"bare:tasks": after}, count=READ_COUNT, block=0)[0][1]
        after = rows[-1][0]
        if len(rows) == 1:
            server.xadd("bare:results", {"d": ANSWER})
            continue
        pipe = server.pipeline(transaction=False)
        for _ in rows:
            pipe.xadd("bare:results", {"d": ANSWER})
        pipe.execute()


async def aecho(url: str) -> None:
    """Answer every task, on an event loop."""
    server, after = aconnect(url), b"0-0"
    while True:
        rows = (await server.xread({"bare:atasks": after}, count=READ_COUNT, block=0))[0][1]
        after = rows[-1][0]
        for _ in rows:
            await server.xadd("bare:aresults", {"d": ANSWER})


def forward(url: str) -> None:
    """Copy every event to the log that it names."""
    server, after = connect(url), b"0-0"
    while True:
        rows = server.xread({"bare:inbox": after}, count=READ_COUNT, block=0)[0][1]
        after = rows[-1][0]
        pipe = server.pipeline(transaction=False)
        for _, event in rows:
            pipe.xadd(event[b"log"], {"at": event[b"at"], "d": event[b"d"]})
        pipe.xtrim("bare:inbox", minid=after)
        pipe.execute()


async def source(url: str) -> None:
    """Write events as ordered: a burst in pipelines, paced ones each on its own."""
    server, after = aconnect(url), b"0-0"
    while True:
        after, order = (await server.xread({"bare:orders": after}, count=1, block=0))[0][1][0]
        logs, count = order[b"logs"].split(), int(order[b"count"])
        if order[b"what"] == b"burst":
            await _burst(server, logs[0], count)
        else:
            rate, first = int(order[b"rate"]), time.monotonic()
            begins = [first + run / (len(logs) * rate) for run in range(len(logs))]
            await asyncio.gather(*(_paced(server, *each, count, rate) for each in zip(logs, begins, strict=True)))


async def _burst(server: Any, log: bytes, count: int) -> None:
    for first in range(0, count, PIPELINE):
        pipe = server.pipeline(transaction=False)
        for i in range(first, min(first + PIPELINE, count)):
            pipe.xadd("bare:inbox", _event(log, i))
        await pipe.execute()


async def _paced(server: Any, log: bytes, begin: float, count: int, rate: int) -> None:
    for i in range(count):
        ahead = begin + i / rate - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        await server.xadd("bare:inbox", _event(log, i))


def _event(log: bytes, i: int) -> dict[str, Any]:
    return {"log": log, "at": repr(time.monotonic()), "d": b"token %d" % i}


def main(role: str, url: str) -> None:
    """Be one of the peers until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("ready", file=sys.stderr, flush=True)
    if role == "echo":
        echo(url)
    elif role == "forward":
        forward(url)
    elif role == "aecho":
        asyncio.run(aecho(url))
    elif role == "source":
        asyncio.run(source(url))
    else:
        raise SystemExit(f"no such role: {role!r}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
