"""The worker's verbs on a Redis Cluster: the task and control streams of every partition. Promises: `WorkerVerbs`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cached_property

from drumline_protocol.errors import NoBroker
from drumline_transport.broker import Delivery, Kind
from drumline_transport.cluster_parts import ClusterParts, Part, by_partition, entry_name
from drumline_transport.cluster_take import Taker
from drumline_transport.errors import PartlyAway
from drumline_transport.rows import data_of
from drumline_transport.scripts import QUIT
from drumline_transport.watches import SlotReader

#: Control messages read at once, of each partition.
_CTL_PAGE = 1000
#: Between the ids of the partitions in a position in the control streams.
_MARK = ","


class ClusterWorker(ClusterParts):
    """`WorkerVerbs` on a Redis Cluster. An entry's id has its partition in front (`entry_name`)."""

    @cached_property
    def _taker(self) -> Taker:
        return Taker(self)

    @cached_property
    def _ctl_reader(self) -> SlotReader:
        return SlotReader("ctl", lambda p: self.part(p).dialer)

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        if not pools or count < 1:
            return []
        return self._taker.take(pools, consumer, count, block_ms)

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        """Raises `PartlyAway`, without patience, when some partitions could not be reached and the others have all."""
        ended = by_partition(done)
        told: dict[int, list[tuple[int, str, bytes]]] = {p: [] for p in ended}
        for entry in entries:
            told.setdefault(entry[0], []).append(entry)
        self._of_each(list(told), lambda part, p: part.publish(told[p], ended.get(p, [])))

    def put_blobs(self, blobs: list[tuple[int, str, bytes]]) -> None:
        """Raises `PartlyAway`, as `publish` does."""
        partitions = list(dict.fromkeys(p for p, _, _ in blobs))
        self._of_each(partitions, lambda part, p: part.put_blobs([blob for blob in blobs if blob[0] == p]))

    def _of_each(self, partitions: list[int], write: Callable[[Part, int], None]) -> None:
        """Write to each partition, trying once, so that none keeps the others waiting: the caller comes again."""
        away: dict[int, NoBroker] = {}
        for p in partitions:
            part = self.part(p)
            part._send.patience_s = 0.0
            try:
                write(part, p)
            except NoBroker as error:
                away[p] = error
            finally:
                part._send.patience_s = None
        if away:
            raise PartlyAway(self._nodes.url, next(iter(away.values())).cause, frozenset(away))

    def renew(self, consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        places = by_partition(entries)
        if not places:
            return set()
        found, away = self.each(places, lambda p: self.part(p).renew(consumer, places[p]))
        # Nothing is known of what lies in a slot that is away: the tasks go on, as when a broker is away.
        kept = {**found, **{p: set(places[p]) for p in away}}
        return {(pool, entry_name(p, entry_id)) for p, rows in kept.items() for pool, entry_id in rows}

    def renew_all(self, consumer: str, pools: list[str]) -> int:
        found, _ = self.each(range(self.partitions), lambda p: self.part(p).renew_all(consumer, pools))
        return sum(found.values())

    def leave(self, kind: Kind, name: str) -> None:
        super().leave(kind, name)
        mine = [pool for pool, consumer in self._taker.taken_by if consumer == name]
        if kind != "workers" or not mine:
            return
        for p in range(self.partitions):
            part = self.part(p)
            with contextlib.suppress(NoBroker):
                part._keeper.scripts(QUIT, [([part._keys.tasks(pool)], [name]) for pool in mine])

    def last_ctl(self) -> str:
        return _MARK.join(self.part(p).last_ctl() for p in range(self.partitions))

    def read_ctl(self, after: str, block_ms: int) -> list[tuple[str, bytes]]:
        heard = after.split(_MARK)
        wanted = {p: ([self.part(p)._keys.ctl()], [heard[p]]) for p in range(self.partitions)}
        messages = []
        for p, streams in self._ctl_reader.read(wanted, _CTL_PAGE, block_ms):
            for _, rows in streams:
                for row_id, values in rows:
                    heard[p] = row_id.decode()
                    messages.append((_MARK.join(heard), data_of(values)))
        return messages
