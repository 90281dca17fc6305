"""The nodes of a Redis Cluster: which master serves which slot, and connections to the master of a slot."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right

from redis.crc import key_slot

from drumline_protocol.errors import NoBroker
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.connection import Connection, Lost, Reply
from drumline_transport.dialer import PLACE_TIMEOUT_S, Dialer
from drumline_transport.errors import ServerError

#: A node: host and port.
Place = tuple[str, int]

#: A node that was not reached is not tried again for so long, whatever slot asks for it.
DOWN_S = 0.2
#: The slots are asked for at most once in this time.
ASK_AGAIN_S = 0.05


def slot_of(key: str) -> int:
    """The slot of a key: that of its hash tag, if it has one."""
    return int(key_slot(key.encode()))


class Nodes:
    """What is known of the nodes of one cluster. Safe for threads; asks again when somebody was led astray."""

    def __init__(self, url: str, name: str, patience_s: float) -> None:
        self.url, self.name, self.patience_s = url, name, patience_s
        self._asker = Dialer(url, name, patience_s)
        self._starts: list[int] = []
        #: `(last slot, its master)`, by `_starts`
        self._ranges: list[tuple[int, Place]] = []
        self._stale = True
        self._asked_at = 0.0
        #: nodes that were not reached: until when nobody tries, and why
        self._down: dict[Place, tuple[float, str]] = {}
        self._lock = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock."""
        self._lock = threading.Lock()

    def of(self, slot: int, timeout_s: float = PLACE_TIMEOUT_S) -> Place:
        """The master of a slot. Raises `Lost` when there is none, or it was not reached a moment ago."""
        with self._lock:
            if self._stale and time.monotonic() - self._asked_at >= ASK_AGAIN_S:
                self._ask(timeout_s)
            i = bisect_right(self._starts, slot) - 1
            if i < 0 or slot > self._ranges[i][0]:
                self._stale = True
                raise Lost(f"CLUSTERDOWN no node serves slot {slot}")
            place = self._ranges[i][1]
            until, cause = self._down.get(place, (0.0, ""))
            if time.monotonic() < until:
                raise Lost(cause)
            return place

    def masters(self, timeout_s: float = PLACE_TIMEOUT_S) -> list[Place]:
        """All masters that serve slots. Raises `Lost` if no node tells."""
        with self._lock:
            if self._stale:
                self._ask(timeout_s)
            return sorted({place for _, place in self._ranges})

    def renew(self) -> None:
        """Somebody was told that a slot lies elsewhere: ask before the next answer."""
        with self._lock:
            self._stale = True

    def failed(self, place: Place, cause: str) -> None:
        """A node was not reached. Another one may have taken its place."""
        with self._lock:
            self._down[place] = (time.monotonic() + DOWN_S, cause)
            self._stale = True

    def dial(self, place: Place, role: str, timeout_s: float = PLACE_TIMEOUT_S) -> Connection:
        """A connection to one node. `Lost`, `NoBroker`."""
        return self._asker.dial_at(place, role, timeout_s)

    def hang_up(self, connection: Connection) -> None:
        """Close a connection of `dial`."""
        self._asker.hang_up(connection)

    def close(self) -> None:
        """End all connections of `dial`."""
        self._asker.close()

    def _ask(self, timeout_s: float) -> None:
        """Learn the slots from the first node that answers."""
        known = dict.fromkeys([*(place for _, place in self._ranges), *self._asker.address.hosts])
        now, causes = time.monotonic(), []
        for place in sorted(known, key=lambda place: self._down.get(place, (0.0, ""))[0] > now):
            try:
                connection = self._asker.dial_at(place, "slots", timeout_s)
                try:
                    reply = connection.call("CLUSTER", "SLOTS", timeout_s=timeout_s)
                finally:
                    self._asker.hang_up(connection)
            except Lost as lost:
                causes.append(f"{place[0]}:{place[1]}: {lost}")
                self._down[place] = (time.monotonic() + DOWN_S, str(lost))
                continue
            except ServerError as refusal:
                raise NoBroker(self.url, refusal.text) from None
            self._ranges, self._starts = _ranges(reply, place)
            self._stale, self._asked_at = False, time.monotonic()
            return
        self._asked_at = time.monotonic()
        if not self._ranges:
            raise Lost("; ".join(causes))


def _ranges(reply: Reply, asked: Place) -> tuple[list[tuple[int, Place]], list[int]]:
    """Slots and their masters from the reply of CLUSTER SLOTS. A node without a name is the one that was asked."""
    found: list[tuple[int, int, Place]] = []
    for first, last, master, *_ in reply:
        host = master[0].decode() if isinstance(master[0], bytes) else ""
        found.append((first, last, (host if host not in ("", "?") else asked[0], master[1])))
    found.sort()
    return [(last, place) for _, last, place in found], [first for first, _, _ in found]


class SlotDialer(Dialer):
    """Connects to whichever node serves one slot."""

    moves = True

    def __init__(self, nodes: Nodes, slot: int) -> None:
        super().__init__(nodes.url, nodes.name, nodes.patience_s)
        self._nodes = nodes
        self.slot = slot

    def _dial(self, role: str, timeout_s: float | None) -> Connection:
        if timeout_s is None:
            timeout_s = PLACE_TIMEOUT_S
        place = self._nodes.of(self.slot, timeout_s)
        try:
            return self.dial_at(place, role, timeout_s)
        except Lost as lost:
            self._nodes.failed(place, str(lost))
            raise

    def astray(self) -> None:
        self._nodes.renew()
