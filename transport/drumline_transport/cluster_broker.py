"""A broker object for a Redis Cluster: all verbs. Made by `redis_broker.connect`."""

from __future__ import annotations

from drumline_transport.broker import AsyncLogReader, Broker, LogReader, LogsReader
from drumline_transport.cluster_keeper import ClusterKeeper
from drumline_transport.cluster_parts import entry_place
from drumline_transport.cluster_worker import ClusterWorker
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.logs_reader import RedisLogsReader


class ClusterBroker(ClusterKeeper, ClusterWorker):
    """All verbs on a Redis Cluster; those of clients each go to the slot of one partition."""

    def __repr__(self) -> str:
        return f"ClusterBroker({self._nodes.name!r}, partitions={self.partitions})"

    def submit(self, p: int, run_id: str, data: bytes) -> None:
        self.part(p).submit(p, run_id, data)

    def dead(self, p: int, count: int, newest: str = "+") -> list[tuple[str, DeadEntry]]:
        return self.part(p).dead(p, count, newest)

    def put_back(self, p: int, entry: DeadEntry) -> None:
        # A task goes back into the stream where it lay, which may be another partition's than the note of it.
        place = entry_place(entry.id)
        self.part(p if place is None else place[0]).put_back(p, entry)

    def drop_dead(self, p: int, ids: list[str]) -> None:
        self.part(p).drop_dead(p, ids)

    def failed(self, p: int, count: int) -> list[FailedRun]:
        return self.part(p).failed(p, count)

    def log_reader(self, p: int, run_id: str) -> LogReader:
        return self.part(p).log_reader(p, run_id)

    def alog_reader(self, p: int, run_id: str) -> AsyncLogReader:
        return self.part(p).alog_reader(p, run_id)

    def logs_reader(self) -> LogsReader:
        return RedisLogsReader(lambda p: p, lambda p: self.part(p).dialer, self._log_key)

    def _log_key(self, p: int, run_id: str) -> str:
        return self.part(p)._keys.log(p, run_id)


def _conforms(broker: ClusterBroker) -> Broker:
    return broker  # checked by mypy
