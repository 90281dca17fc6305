"""Reading many inboxes of one server as if they were one, without naming them all each time.

A read that waits names each stream and the id behind which it reads: two streams for each partition, some 750 bytes for
sixteen. While one run is busy, its partition alone has something to read. So several reads are left standing, each on a
connection of its own: short ones name partitions that had something lately, a long one names the quiet ones. Whoever
reads waits for all of them, so an entry of a quiet partition is seen as soon as one of a busy partition. A read that
was answered is asked again for what no other read stands for.

If any of that fails, all is read at once on a `Line`, which mends connections and waits for servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping

from drumline_transport.broker import Position
from drumline_transport.connection import Argument, Lost, Reply, pack
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.line import Line, check_streams
from drumline_transport.watches import STANDING_MS, Watch, wait_for_any

#: A partition of which nothing was read for this long is quiet.
QUIET_AFTER_S = 1.0
#: How long the server lets a short read wait: then a partition that became quiet leaves it to the long one.
SHORT_MS = 100
#: As many quiet partitions are left to a short read while the long one stands. For more that is called off: it takes a
#: new connection, and is seldom needed (many partitions were leased meanwhile).
QUIET_MAX = 3
#: Fewer partitions are named each time: that costs less than two reads.
SPLIT_MIN = 3

#: the streams of a partition, requests first
StreamsOf = Callable[[int], tuple[str, str]]


class InboxReader:
    """For one thread. `streams_of` names the streams of a partition, `names` are those of all of them."""

    def __init__(self, dialer: Dialer, streams_of: StreamsOf, names: Callable[[], Container[bytes]]) -> None:
        self._dialer = dialer
        self._streams_of = streams_of
        self._names = names
        self._line = Line(dialer, "inbox")
        self._long = Watch(dialer, "inbox")
        #: two, so that a partition that becomes busy finds one free while the other one stands
        self._short = (Watch(dialer, "inbox"), Watch(dialer, "inbox"))
        #: where each partition was read last, and since when
        self._seen: dict[int, tuple[Position, float]] = {}

    def read(self, after: Mapping[int, Position], count: int, block_ms: int) -> list[tuple[bytes, Reply]]:
        """`[(stream, rows), ...]` behind these positions. Raises what a `Line` does."""
        if block_ms <= 0 or len(after) < SPLIT_MIN:
            return self._read_all(after, count, block_ms)
        now = time.monotonic()
        found = self._read_split(after, self._note_seen(after, now), count, now + block_ms / 1000)
        return self._read_all(after, count, block_ms) if found is None else found

    def _note_seen(self, after: Mapping[int, Position], now: float) -> set[int]:
        """The partitions of which something was read lately."""
        seen = self._seen
        for p, position in after.items():
            known = seen.get(p)
            if known is None:
                seen[p] = position, now - QUIET_AFTER_S
            elif known[0] != position:
                seen[p] = position, now
        return {p for p in after if now - seen[p][1] < QUIET_AFTER_S}

    def _read_all(self, after: Mapping[int, Position], count: int, block_ms: int) -> list[tuple[bytes, Reply]]:
        packed = self._packed(after, count, block_ms)
        return self._line.read_streams(packed, self._names(), max(0, block_ms)) or []

    # -- two reads that stand -----------------------------------------------------------------------

    def _read_split(
        self, after: Mapping[int, Position], busy: set[int], count: int, deadline: float
    ) -> list[tuple[bytes, Reply]] | None:
        """What the reads bring until the deadline; None if one of them cannot be left standing."""
        watches = (*self._short, self._long)
        for watch in watches:
            if watch.connection is not None and self._dialer.is_behind(watch.connection):
                watch.lose(Lost("another server has taken its place"))
        while True:
            if not self._ask(after, busy, count):
                return None
            left = dict(after)
            found: list[tuple[bytes, Reply]] = []
            for watch in wait_for_any([watch for watch in watches if watch.asks is not None], deadline):
                asked = _asked(watch)
                replies = watch.hear()
                if watch.connection is None:
                    return found or None
                if replies is not None:
                    try:
                        found += self._wanted(replies[0], asked, left)
                    except Lost as lost:
                        watch.lose(lost)
                        return found or None
            if found or time.monotonic() >= deadline:
                return found
            if self._dialer.closed.is_set():
                return None

    def _ask(self, after: Mapping[int, Position], busy: set[int], count: int) -> bool:
        """Ask for what no read stands for. False if there is no connection for it."""
        standing = [_asked(watch) for watch in (*self._short, self._long)]
        left = {p: at for p, at in after.items() if all(asked.get(p) != at for asked in standing)}
        free = next((watch for watch in self._short if watch.asks is None), None)
        if not left:
            return True
        few = len(left.keys() - busy) <= QUIET_MAX
        if self._long.asks is not None and free is not None and few:
            return self._stand(free, left, count)
        # The long read takes all that is quiet: also what a short one stands for still, which it is to let go.
        lively = {p: at for p, at in left.items() if p in busy and free is not None}
        quiet = {p: at for p, at in after.items() if p not in busy or (p in left and p not in lively)}
        return (not quiet or self._stand(self._long, quiet, count)) and (
            free is None or not lively or self._stand(free, lively, count)
        )

    def _stand(self, watch: Watch, wanted: dict[int, Position], count: int) -> bool:
        wait_ms = STANDING_MS if watch is self._long else SHORT_MS
        return watch.ask(wanted, [self._packed(wanted, count, wait_ms)], wait_ms)

    def _wanted(
        self, reply: Reply, asked: Mapping[int, Position], left: dict[int, Position]
    ) -> list[tuple[bytes, Reply]]:
        """The part of a reply that is still asked for, which is taken out of `left`.

        A partition may have been lost, or leased anew, meanwhile, and two reads may stand for one.
        """
        if isinstance(reply, ServerError):
            raise reply
        check_streams(reply, self._names())
        current = {name.encode(): p for p, at in asked.items() if left.get(p) == at for name in self._streams_of(p)}
        found = [(name, rows) for name, rows in reply or () if name in current]
        for name, _ in found:
            left.pop(current[name], None)
        return found

    def _packed(self, after: Mapping[int, Position], count: int, block_ms: int) -> bytes:
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        streams = [self._streams_of(p) for p in after]
        names = [*(requests for requests, _ in streams), *(inbox for _, inbox in streams)]
        ids = [*(position.requests for position in after.values()), *(position.inbox for position in after.values())]
        return pack("XREAD", "COUNT", count, *wait, "STREAMS", *names, *ids)


def _asked(watch: Watch) -> dict[int, Position]:
    """The partitions that a read on its way stands for, and behind which positions."""
    asked = watch.asks
    return asked if isinstance(asked, dict) else {}
