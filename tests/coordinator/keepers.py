"""Keepers on the double, turned by hand: the service's own keeper and main loop, with the clock of the test."""

from __future__ import annotations

import json
from typing import Any

from tests.coordinator.test_run import START, graph

from drumline_coordinator.apps import Apps
from drumline_coordinator.balance import TURNS_PER_LEASE
from drumline_coordinator.service import Coordinator, CoordinatorSettings
from drumline_protocol import wire
from drumline_protocol.limits import COORDINATOR_LEASE_MS
from drumline_protocol.messages import RunRequest
from drumline_transport.broker import START as BEGINNING
from drumline_transport.memory import MemoryBroker, MemoryServer

TURN_MS = COORDINATOR_LEASE_MS // TURNS_PER_LEASE
APPS = Apps({"g": graph((START, "a"))})


class Turned:
    """A coordinator whose turns the test takes."""

    def __init__(self, broker: Any, name: str, **settings: Any) -> None:
        self.broker = broker
        self.name = name
        self.service = Coordinator(broker, APPS, name, CoordinatorSettings(**settings), steady_ms=lambda: 0.0)
        self.keeper = self.service.keeper

    def turn(self) -> None:
        """A turn of the keeper, then turns of the main loop until it has heard of all."""
        self.keeper.turn()
        self.work()

    def work(self) -> None:
        for _ in range(3):
            self.service.turn()

    @property
    def held(self) -> list[int]:
        return sorted(lease.partition for lease in self.service.leases)


class House:
    """Coordinators on one server, and its clock."""

    def __init__(self, partitions: int = 4) -> None:
        self.server = MemoryServer(partitions)
        self.broker = MemoryBroker(self.server)
        self.coordinators: list[Turned] = []

    def start(self, name: str, **settings: Any) -> Turned:
        made = Turned(MemoryBroker(self.server), name, **settings)
        self.coordinators.append(made)
        return made

    def go_on(self, turns: int) -> None:
        for _ in range(turns):
            for coordinator in self.coordinators:
                coordinator.turn()
            self.server.now_ms += TURN_MS

    def kill(self, coordinator: Turned) -> None:
        self.coordinators.remove(coordinator)

    def submit(self, run_id: str, partition: int = 0) -> None:
        self.broker.submit(partition, run_id, wire.encode(APPS.codec, RunRequest(run_id, "g", {"l": ["i"]})))

    def arrive(self, worker: str, **info: Any) -> None:
        fingerprint = APPS.programs["g"].fingerprint
        self.broker.beat("workers", worker, json.dumps({"graphs": {"g": fingerprint}, **info}).encode())

    def inbox(self, partition: int = 0) -> list[Any]:
        """What lies in an inbox, decoded."""
        entries = self.broker.read_inbox({partition: BEGINNING}, 1000, 0)
        return [wire.decode(APPS.codec, entry.data) for entry in entries]
