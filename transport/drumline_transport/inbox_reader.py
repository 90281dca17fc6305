"""Reading the inboxes of many partitions of one server as if they were one, without naming them all each time.

A read that waits names each stream and the id behind which it reads: some 750 bytes for eight partitions. While one run
is busy, only its partition has something to read. So one read is left standing for the partitions that are quiet, on a
connection of its own, and each call of `read` names the others. It waits for both. If the standing read is answered
first, the other one is called off (`CLIENT UNBLOCK`), so a call leaves nothing behind but the standing read.

If no read can be left standing, each call names all partitions on the `Line`, which mends connections and waits for
servers.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping

from drumline_protocol.errors import NoBroker
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.broker import Position, Source
from drumline_transport.connection import REPLY_TIMEOUT_S, Argument, Connection, Lost, Reply, pack
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.line import Line, check_streams
from drumline_transport.watches import Watch, wait_for_any

#: A partition of which nothing was read for this long is quiet.
QUIET_AFTER_S = 0.2
#: How long the server lets the standing read wait. Then it takes in what has become quiet meanwhile.
STANDING_MS = 500
#: Fewer partitions are named each time: that costs less than two reads.
SPLIT_MIN = 3

#: the two streams of a partition, requests first
StreamsOf = Callable[[int], tuple[str, str]]
#: the partition of each stream
Sources = Mapping[bytes, tuple[int, Source]]

_Rows = list[tuple[bytes, Reply]]


class InboxReader:
    """For one thread. `streams_of` names the streams of a partition, `sources` says what each name means."""

    def __init__(self, dialer: Dialer, streams_of: StreamsOf, sources: Callable[[], Sources]) -> None:
        self._dialer = dialer
        self._streams_of = streams_of
        self._sources = sources
        self._line = Line(dialer, "inbox")
        #: the standing read; what it asks for is the quiet partitions and their positions
        self._standing = Watch(dialer, "inbox")
        #: whether reads may be called off; unknown until one was to be
        self._splits = True
        #: the line's connection, and the number by which the server knows it
        self._numbered: tuple[Connection | None, int] = (None, 0)
        #: what waits for both reads, and their connections
        self._poller = select.poll()
        self._polled: tuple[Connection | None, Connection | None] = (None, None)
        #: when something was read of a partition, by `time.monotonic`
        self._heard: dict[int, float] = {}
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The connections are the parent's."""
        self._numbered, self._polled = (None, 0), (None, None)

    def read(self, after: Mapping[int, Position], count: int, block_ms: int) -> _Rows:
        """`[(stream, rows), ...]` behind these positions. Raises what a `Line` does."""
        quiet = self._stand(after, count) if block_ms > 0 else {}
        if not quiet:
            found = self._read_line(after, count, block_ms)
        elif len(quiet) < len(after):
            found = self._read_both(after, quiet, count, block_ms)
        else:
            deadline = time.monotonic() + block_ms / 1000
            wait_for_any([self._standing], deadline)
            found = self._heard_of(quiet)
            if self._standing.connection is None:
                found = self._read_line(after, count, max(0, round((deadline - time.monotonic()) * 1000)))
        if found:
            sources, now = self._sources(), time.monotonic()
            for name, _ in found:
                self._heard[sources[name][0]] = now
        return found

    # -- the standing read ---------------------------------------------------------------------------

    def _stand(self, after: Mapping[int, Position], count: int) -> dict[int, Position]:
        """Leave a read standing for what is quiet, unless one stands. Returns what it stands for of all that is read.

        A partition may have been lost, or leased anew at another position, since the read was asked for.
        """
        watch, now = self._standing, time.monotonic()
        if watch.connection is not None and self._dialer.is_behind(watch.connection):
            watch.lose(Lost("another server has taken its place"))
        if watch.asks is None and self._splits and len(after) >= SPLIT_MIN:
            heard, latest = self._heard, now - QUIET_AFTER_S
            wanted = {p: position for p, position in after.items() if heard.get(p, 0.0) <= latest}
            if wanted:
                watch.ask(wanted, [self._packed(wanted, count, STANDING_MS)], STANDING_MS)
        elif watch.is_overdue(now):
            watch.lose(Lost("no answer to a read"))
        asked = watch.asks
        if not isinstance(asked, dict):
            return {}
        return {p: position for p, position in asked.items() if after.get(p) == position}

    def _heard_of(self, quiet: Mapping[int, Position]) -> _Rows:
        """What the standing read has brought of these partitions. Its troubles are the line's to tell."""
        watch = self._standing
        try:
            replies = watch.hear()
            if replies is None:
                return []
            if isinstance(replies[0], ServerError):
                raise Lost(replies[0].text)
            sources = self._sources()
            check_streams(replies[0], sources)
        except (Lost, NoBroker) as trouble:
            watch.lose(Lost(str(trouble)))
            return []
        return [(name, rows) for name, rows in replies[0] or () if sources[name][0] in quiet]

    # -- reads that end with the call ----------------------------------------------------------------

    def _read_line(self, after: Mapping[int, Position], count: int, block_ms: int) -> _Rows:
        """All of it in one read."""
        packed = self._packed(after, count, block_ms)
        return self._line.read_streams(packed, self._sources(), max(0, block_ms)) or []

    def _read_both(
        self, after: Mapping[int, Position], quiet: Mapping[int, Position], count: int, block_ms: int
    ) -> _Rows:
        """One read for what is lively, unless the standing read is answered before."""
        lively = self._packed({p: position for p, position in after.items() if p not in quiet}, count, block_ms)
        found: _Rows = []

        def use(connection: Connection) -> Reply:
            if found:  # the connection was lost while its read was called off
                return None
            number = self._number_of(connection)
            if self._standing.asks is None:  # it was lost
                connection.send(self._packed(after, count, block_ms))
            else:
                connection.send(lively)
                if self._hear_standing(connection, quiet, found, block_ms):
                    self._call_off(connection, number)
            reply = connection.receive(REPLY_TIMEOUT_S + block_ms / 1000)
            if isinstance(reply, ServerError):
                raise reply
            check_streams(reply, self._sources())
            return reply

        return [*(self._line.run(use) or ()), *found]

    def _hear_standing(
        self, connection: Connection, quiet: Mapping[int, Position], found: _Rows, block_ms: int
    ) -> bool:
        """Wait for the two reads. Whether the standing one was answered alone; what it has brought goes to `found`.

        An answer may come in several pieces.
        """
        deadline = time.monotonic() + block_ms / 1000
        while self._standing.asks is not None:
            ready = self._wait(connection, max(0, round((deadline - time.monotonic()) * 1000)))
            if not ready or ready == [connection.fileno()]:
                return False
            found.extend(self._heard_of(quiet))
            if connection.fileno() in ready:
                return False
        return True

    def _wait(self, connection: Connection, block_ms: int) -> list[int]:
        """The numbers of the connections with something to read, once one of them has."""
        standing = self._standing.connection
        if self._polled != (connection, standing):
            self._polled = connection, standing
            self._poller = select.poll()
            for one in (connection, standing):
                if one is not None and one.fileno() >= 0:
                    self._poller.register(one.fileno(), select.POLLIN)
        return [number for number, _ in self._poller.poll(block_ms)]

    def _number_of(self, connection: Connection) -> int:
        """The number by which the server knows a connection; 0 if it does not tell."""
        known, number = self._numbered
        if known is not connection:
            (reply,) = connection.calls([pack("CLIENT", "ID")])
            number = reply if isinstance(reply, int) else 0
            self._numbered = (connection, number)
        return number

    def _call_off(self, connection: Connection, number: int) -> None:
        """End the line's read now, by a word on the connection of the standing read, which is idle. If that is refused,
        the read ends by itself, and no read is left standing from then on. `Lost` if that connection is.

        The word may overtake the read, and is said again then.
        """
        watch = self._standing
        if watch.connection is None:
            raise Lost("the connection of the read that stands beside this one is lost")
        ended: Reply = 0
        try:
            while number and ended == 0 and connection.fileno() not in self._wait(connection, 0):
                (ended,) = watch.connection.calls([pack("CLIENT", "UNBLOCK", number)])
        except Lost as lost:
            watch.lose(lost)
            raise
        self._splits = number != 0 and not isinstance(ended, ServerError)

    def _packed(self, after: Mapping[int, Position], count: int, block_ms: int) -> bytes:
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        streams = [self._streams_of(p) for p in after]
        names = [*(requests for requests, _ in streams), *(inbox for _, inbox in streams)]
        ids = [*(position.requests for position in after.values()), *(position.inbox for position in after.values())]
        return pack("XREAD", "COUNT", count, *wait, "STREAMS", *names, *ids)
