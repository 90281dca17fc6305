"""A coordinator of the simulated cluster: the production service and its keeper, turned by the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

from drumline.testing._sim.images import image
from drumline.testing._sim.network import Sent, SimBroker, SimServer
from drumline_coordinator.apps import Apps
from drumline_coordinator.run import Run
from drumline_coordinator.service import Coordinator
from drumline_coordinator.state import troubles
from drumline_protocol.limits import COORDINATOR_LEASE_MS
from drumline_transport.broker import Commit

KEEP_MS = COORDINATOR_LEASE_MS // 4


class SimCoordinator:
    """One coordinator process. `keep_at_ms` is when its keeper wants its next turn."""

    def __init__(self, name: str, server: SimServer, apps: Apps, loses_reply: Callable[[Sent], bool]) -> None:
        self.name = name
        self.server = server
        self.broker = SimBroker(server, loses_reply, self._imagine)
        broker: Any = self.broker
        #: how far its own clock is behind the broker's: by how long the host was off, and was suspended
        self.behind_ms = float(crc32(name.encode()))
        self.service = Coordinator(broker, apps, name, steady_ms=lambda: server.now_ms - self.behind_ms)
        self.service.keeper._nonce = self.service.keeper._balance._nonce = name
        self.keep_at_ms = server.now_ms
        self.paused_until_ms: int | None = None
        #: what was written last has not left the machine: the process was stopped before
        self.wire_stopped = False

    def _imagine(self, commit: Commit) -> dict[str, Any]:
        """Images of the commit's runs; none if the service has just given the partition up."""
        partition = self.service._partitions.get(commit.partition)
        if partition is None or (partition.lease.epoch, partition.number) != (commit.epoch, commit.number):
            return {}
        runs = partition._runs.loaded
        return {log.run_id: _image(runs[log.run_id].run) if log.run_id in runs else None for log in commit.logs}

    @property
    def partitions(self) -> list[int]:
        return [lease.partition for lease in self.service.leases]

    @property
    def has_news(self) -> bool:
        """Whether a turn of the main loop would do something."""
        if self.broker.has_replies or self.service.keeper.changed.is_set() or self.service.is_due:
            return True
        for index, partition in self.service._partitions.items():
            if partition.has_more or partition.lease.server != self.server.run_id:
                return True
            part, position = self.server.partitions[index], partition.position
            if part.inbox.after(_id(position.inbox), 1) or part.requests.after(_id(position.requests), 1):
                return True
        return False

    def turn(self) -> None:
        self.service.turn()

    def keep(self) -> None:
        self.keep_at_ms = self.server.now_ms + KEEP_MS
        self.service.keeper.turn()

    def stop_reading(self) -> None:
        """The process is stopped (SIGSTOP) just as a read of its inboxes came back."""
        after = {index: p.position for index, p in self.service._partitions.items()}
        self.broker.read_ahead(after)


def _id(text: str) -> tuple[int, int]:
    first, _, second = text.partition("-")
    return int(first), int(second)


def _image(run: Run) -> dict[str, Any] | None:
    found = image(run)
    return None if found is None else {**found, "troubles": troubles(run.state)}
