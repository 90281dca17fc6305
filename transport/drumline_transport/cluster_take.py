"""Taking tasks from the task streams of all partitions of a Redis Cluster, of which no two can be read by one command.

First each stream is asked how much waits in it, all at once; what is taken is shared between those that have something.
When none has, a read waits on every slot at once. The first that brings something ends the wait, and the others are
called off (`CLIENT UNBLOCK`) before their replies are awaited: an entry that a read brought meanwhile is kept, and no
read is left standing that would take an entry when nobody looks.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from drumline_protocol.errors import NoBroker
from drumline_transport.broker import Delivery
from drumline_transport.cluster_parts import ClusterParts, entry_name
from drumline_transport.connection import REPLY_TIMEOUT_S, Connection, Lost, Reply, pack
from drumline_transport.errors import ServerError
from drumline_transport.redis_coordinator import make_group
from drumline_transport.redis_core import GROUP
from drumline_transport.rows import delivery
from drumline_transport.watches import Watch, check_reached, wait_for_any

#: How long one server may take to call reads off. They end by themselves if it does not.
_RECALL_S = 2.0


class Taker:
    """For one thread at a time."""

    def __init__(self, parts: ClusterParts) -> None:
        self._parts = parts
        self._watches: dict[int, Watch] = {}
        #: by the server's place: connections on which reads are called off
        self._recallers: dict[tuple[str, int], Connection] = {}
        self._turn = 0
        #: `(pool, consumer)`s that it took for
        self.taken_by: set[tuple[str, str]] = set()

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        """See `WorkerVerbs.take`. A slot that is away is passed over; `NoBroker` when all are."""
        self.taken_by.update((pool, consumer) for pool in pools)
        watches = {p: self._watch(p) for p in range(self._parts.partitions)}
        found = self._take_waiting(watches, pools, consumer, count)
        if not found and block_ms > 0:
            found = self._wait(watches, pools, consumer, block_ms)
        if not found:
            check_reached(list(watches.values()))
        return found

    def _watch(self, p: int) -> Watch:
        watch = self._watches.get(p)
        if watch is None:
            watch = self._watches[p] = Watch(self._parts.part(p).dialer, "take", recalled=True)
        return watch

    def _stream(self, p: int, pool: str) -> str:
        return self._parts.part(p)._keys.tasks(pool)

    # -- what is there -----------------------------------------------------------------------------

    def _take_waiting(
        self, watches: Mapping[int, Watch], pools: list[str], consumer: str, count: int
    ) -> list[Delivery]:
        for p, watch in watches.items():
            looks = [pack(*words, self._stream(p, pool), *rest) for pool in pools for words, rest in _LOOKS]
            watch.ask("looks", looks)
        answers = self._answers(watches, time.monotonic() + REPLY_TIMEOUT_S)
        waiting = [
            (p, pool)
            for p, replies in answers.items()
            for pool, length, summary in zip(pools, replies[::2], replies[1::2], strict=True)
            if self._waits(p, pool, length, summary)
        ]
        if not waiting:
            return []
        self._turn = (self._turn + 1) % len(waiting)
        each = max(1, count // len(waiting))
        chosen: dict[int, list[str]] = {}
        for p, pool in (waiting[self._turn :] + waiting[: self._turn])[: count // each]:
            chosen.setdefault(p, []).append(pool)
        for p, mine in chosen.items():
            reads = [
                pack("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", each, "STREAMS", self._stream(p, pool), ">")
                for pool in mine
            ]
            watches[p].ask("take", reads)
        asked = {p: watches[p] for p in chosen}
        return self._deliveries(self._answers(asked, time.monotonic() + REPLY_TIMEOUT_S), pools)

    def _waits(self, p: int, pool: str, length: Reply, summary: Reply) -> bool:
        """Whether a stream holds entries that were not delivered, by its length and a summary of what is pending."""
        if isinstance(length, ServerError):
            raise length
        if isinstance(summary, ServerError):
            if summary.code != "NOGROUP":
                raise summary
            make_group(self._parts.part(p)._any, self._stream(p, pool))
            summary = [0]
        return int(length) > int(summary[0])

    # -- waiting -----------------------------------------------------------------------------------

    def _wait(self, watches: Mapping[int, Watch], pools: list[str], consumer: str, block_ms: int) -> list[Delivery]:
        deadline = time.monotonic() + block_ms / 1000
        ready: list[Watch] = []
        while not ready and time.monotonic() < deadline:
            remaining_ms = max(1, round((deadline - time.monotonic()) * 1000))
            for p, watch in watches.items():
                if watch.asks is None:
                    streams = [self._stream(p, pool) for pool in pools]
                    words = ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", 1, "BLOCK", remaining_ms, "STREAMS")
                    watch.ask("wait", [pack(*words, *streams, *(">" for _ in streams))], remaining_ms)
            if all(watch.dialer.closed.is_set() for watch in watches.values()):
                break
            ready = wait_for_any(watches.values(), deadline)
        self._recall([watch for watch in watches.values() if watch.asks is not None and watch not in ready])
        standing = {p: watch for p, watch in watches.items() if watch.asks is not None}
        return self._deliveries(self._answers(standing, deadline + _RECALL_S), pools)

    def _recall(self, watches: Collection[Watch]) -> None:
        """End these reads now. One that cannot be called off ends by itself."""
        by_place: dict[tuple[str, int], list[int]] = {}
        for watch in watches:
            if watch.connection is not None and watch.client_id is not None:
                by_place.setdefault(watch.connection.place, []).append(watch.client_id)
        for place, numbers in by_place.items():
            try:
                connection = self._recallers.get(place)
                if connection is None or connection.fileno() < 0:
                    connection = self._recallers[place] = self._parts._nodes.dial(place, "recall", _RECALL_S)
                connection.calls([pack("CLIENT", "UNBLOCK", number) for number in numbers], _RECALL_S)
            except (Lost, NoBroker):
                self._recallers.pop(place, None)

    # -- both --------------------------------------------------------------------------------------

    @staticmethod
    def _answers(watches: Mapping[int, Watch], deadline: float) -> dict[int, list[Reply]]:
        """The replies of all, but for those whose connection is lost by then."""
        pending, found = dict(watches), {}
        while True:
            for p, watch in list(pending.items()):
                replies = watch.hear()
                if replies is not None:
                    found[p] = replies
                if watch.asks is None:
                    del pending[p]
            if not pending:
                return found
            if time.monotonic() >= deadline:
                for watch in pending.values():
                    watch.lose(Lost("no answer in time"))
                return found
            wait_for_any(pending.values(), deadline)

    def _deliveries(self, answers: Mapping[int, list[Reply]], pools: list[str]) -> list[Delivery]:
        found: list[Delivery] = []
        refused: ServerError | None = None
        for p, replies in answers.items():
            names = {self._stream(p, pool).encode(): pool for pool in pools}
            for reply in replies:
                if isinstance(reply, ServerError):
                    if reply.code != "NOGROUP":  # somebody deleted it just now: the next look makes it again
                        refused = reply
                    continue
                for key, rows in reply or ():
                    for row_id, values in rows:
                        taken = delivery(names[key], row_id, values)
                        taken.id = entry_name(p, taken.id)
                        found.append(taken)
        if refused is not None and not found:
            raise refused
        return found


#: What tells how much of a stream was not delivered: its length, and how much is pending.
_LOOKS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ((("XLEN",), ()), (("XPENDING",), (GROUP,)))
