"""The worker's verbs on Redis: take, publish, renew, control messages. Promises: `WorkerVerbs`."""

from __future__ import annotations

import time

from drumline_protocol.keys import Keys
from drumline_protocol.limits import BLOB_UNNAMED_TTL_S, INBOX_BYTES_MAX, PUT_BYTES_MAX
from drumline_transport.broker import START_POSITION, Delivery, Kind
from drumline_transport.connection import Argument, pack
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.line import Line
from drumline_transport.redis_coordinator import make_group
from drumline_transport.redis_core import GROUP, RedisCore
from drumline_transport.rows import data_of, delivery
from drumline_transport.scripts import PUBLISH, QUIT, RENEW_ALL, RENEW_TASKS

#: What one call of the publish script carries at most; a bigger burst goes in several, in order.
_PUBLISH_ENTRIES_MAX = 500
_PUBLISH_BYTES_MAX = 1024 * 1024
#: Entries of one pool that one call renews: more than any worker runs at once.
_RENEWED_MAX = 10_000
#: Control messages read at once.
_CTL_PAGE = 1000


class RedisWorker(RedisCore):
    """`WorkerVerbs` on Redis."""

    def __init__(self, dialer: Dialer, keys: Keys, partitions: int) -> None:
        super().__init__(dialer, keys, partitions)
        self._take = Line(dialer, "take")
        self._send = Line(dialer, "send")
        self._ctl = Line(dialer, "ctl")
        self._taken_by: set[tuple[str, str]] = set()
        self._turn = 0

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        if not pools or count < 1:
            return []
        self._taken_by.update((pool, consumer) for pool in pools)
        if count >= len(pools):
            return self._read_group(pools, consumer, count // len(pools), block_ms)
        # Fewer slots than pools: COUNT is per stream, so look into `count` pools at a time, each time beginning with
        # another; wait on all only when all were empty.
        self._turn = (self._turn + 1) % len(pools)
        order = pools[self._turn :] + pools[: self._turn]
        for i in range(0, len(order), count):
            found = self._read_group(order[i : i + count], consumer, 1, 0)
            if found:
                return found
        return self._read_group(order, consumer, 1, block_ms) if block_ms > 0 else []

    def _read_group(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        deadline = time.monotonic() + block_ms / 1000
        names = {self._keys.tasks(pool).encode(): pool for pool in pools}
        head: tuple[Argument, ...] = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count)
        while True:
            wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
            packed = pack(*head, *wait, "STREAMS", *names, *(">" for _ in names))
            try:
                reply = self._take.read_streams(packed, names, max(0, block_ms))
                break
            except ServerError as error:
                if error.code != "NOGROUP":
                    raise
                for name in names:
                    make_group(self._take, name.decode())
                if block_ms > 0:
                    block_ms = max(1, round((deadline - time.monotonic()) * 1000))
        return [delivery(names[key], row_id, values) for key, rows in reply or () for row_id, values in rows]

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        start = 0
        while start < len(entries) or done:
            end, size = start, 0
            while end < len(entries) and end - start < _PUBLISH_ENTRIES_MAX:
                size += len(entries[end][2])
                if size > _PUBLISH_BYTES_MAX and end > start:
                    break
                end += 1
            last = end >= len(entries)
            self._publish(entries[start:end], done if last else [])
            if last:
                return
            start = end

    def _publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        names: dict[str, int] = {}
        words: list[Argument] = []
        for p, run_id, data in entries:
            words += (names.setdefault(self._keys.inbox(p), len(names) + 1), run_id, data)
        inboxes = len(names)
        for pool, entry_id in done:
            words += (names.setdefault(self._keys.tasks(pool), len(names) + 1), entry_id)
        self._send.script(PUBLISH, list(names), [inboxes, len(entries), INBOX_BYTES_MAX, *words])

    def put_blobs(self, blobs: list[tuple[int, str, bytes]]) -> None:
        commands: list[bytes] = []
        size = 0
        for p, blob_id, data in blobs:
            if commands and size + len(data) > PUT_BYTES_MAX:
                self._send.calls(commands)
                commands, size = [], 0
            commands.append(pack("SET", self._keys.blob(p, blob_id), data, "EX", BLOB_UNNAMED_TTL_S, "NX"))
            size += len(data)
        if commands:
            self._send.calls(commands)

    def renew(self, consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        by_pool: dict[str, list[str]] = {}
        for pool, entry_id in entries:
            by_pool.setdefault(pool, []).append(entry_id)
        if not by_pool:
            return set()
        calls = [([self._keys.tasks(pool)], [consumer, *ids]) for pool, ids in by_pool.items()]
        replies = self._keeper.scripts(RENEW_TASKS, calls)
        return {(pool, entry_id.decode()) for pool, owned in zip(by_pool, replies, strict=True) for entry_id in owned}

    def renew_all(self, consumer: str, pools: list[str]) -> int:
        arguments: list[Argument] = [consumer, _RENEWED_MAX]
        calls = [([self._keys.tasks(pool)], arguments) for pool in pools]
        return sum(int(count) for count in self._keeper.scripts(RENEW_ALL, calls)) if calls else 0

    def leave(self, kind: Kind, name: str) -> None:
        super().leave(kind, name)
        # Consumers of a group are never forgotten by Redis itself.
        mine = [pool for pool, consumer in self._taken_by if consumer == name]
        if kind == "workers" and mine:
            self._keeper.scripts(QUIT, [([self._keys.tasks(pool)], [name]) for pool in mine])

    def last_ctl(self) -> str:
        rows = self._any.call("XREVRANGE", self._keys.ctl(), "+", "-", "COUNT", 1)
        return rows[0][0].decode() if rows else START_POSITION

    def read_ctl(self, after: str, block_ms: int) -> list[tuple[str, bytes]]:
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        key = self._keys.ctl()
        packed = pack("XREAD", "COUNT", _CTL_PAGE, *wait, "STREAMS", key, after)
        reply = self._ctl.read_streams(packed, (key.encode(),), max(0, block_ms))
        rows = reply[0][1] if reply else ()
        return [(row_id.decode(), data_of(values)) for row_id, values in rows]
