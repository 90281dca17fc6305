"""The keeper's verbs: what a coordinator's second thread asks beside `CoordinatorVerbs`.

What lies in Redis under drumline's keys may have been written by anybody. So these verbs take no key for good: each
tells of the keys that it could not use, by name, and answers for the others. They raise only for the server as a whole
(`NoBroker`, `BrokerRefuses`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from drumline_transport.broker import CoordinatorVerbs, Lease, StaleTask
from drumline_transport.dead import DeadEntry

#: Why a task entry will not be run: it is not in its stream, or it is there, delivered, and nobody holds it.
Missing = Literal["gone", "stranded"]


@dataclass(slots=True)
class LeaseState:
    """Who holds a partition, and what remains of the lease by Redis TIME: 0 or less when it ran out, was released, or
    is damaged. `owner` is "" when it was released.
    """

    owner: str
    remaining_ms: int


@dataclass(slots=True)
class Survey:
    """What one look found. `unusable` tells by key which keys hold something else, and what the server said."""

    now_ms: int
    #: those of our leases that are still ours
    kept: set[int]
    #: the other partitions; none for those that never had an owner, or whose lease is unusable
    leases: dict[int, LeaseState]
    #: partitions whose lease key is of another type: nobody can serve them
    unserved: set[int]
    #: `name -> (info, ms since its last beat)`
    coordinators: dict[str, tuple[bytes, int]]
    workers: dict[str, tuple[bytes, int]]
    unusable: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PoolSweep:
    """What `sweep_pools` found in one pool. `error` is what the server said when its stream is none."""

    stale: list[StaleTask]
    cursor: str
    error: str = ""


@dataclass(slots=True)
class RunLook:
    """What is stored of a run. `damage` says what of it is something else than it should be, or is gone.

    `waits` tells whether it has tasks that wait without an entry.
    """

    record: dict[str, bytes]
    is_open: bool
    damage: str = ""
    waits: bool = False


class KeeperVerbs(CoordinatorVerbs, Protocol):
    """Stay there, look who else is, sweep."""

    def survey(self, name: str, info: bytes, nonce: str, held: list[int], ttl_ms: int) -> Survey:
        """Prolong the leases of `held`, beat as coordinator `name`, then look at the other leases and at all members.

        One round trip. As `renew_leases`, `beat`, `lease_owners` and `members` together.
        """
        ...

    def acquire_all(self, partitions: list[int], nonce: str, ttl_ms: int) -> list[Lease]:
        """As `acquire`, of each; the leases that were got, in order. One whose lease is unusable is left out."""
        ...

    def sweep_pools(self, cursors: dict[str, str], idle_ms: int, count: int) -> dict[str, PoolSweep]:
        """As `stale_tasks`, of each pool with its cursor. A group that is missing is made."""
        ...

    def look_at_runs(self, runs: list[tuple[int, str]]) -> list[RunLook]:
        """The records of `(partition, run id)`s, whether the runs are open, and what is wrong with them.

        One round trip.
        """
        ...

    def missing_tasks(self, entries: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], Missing], dict[str, str]]:
        """Those of `(pool, entry id)`s that nobody will ever run, and why; and pools whose stream is unusable, with
        what the server said: of their entries nothing is known.
        """
        ...

    def set_aside(self, p: int, entry: DeadEntry) -> None:
        """Append to the entries of partition `p` that could not be handled; about `DEAD_ENTRIES_MAX` of them are kept,
        of each `DEAD_DATA_BYTES_MAX`. At least once.
        """
        ...

    def forget_consumers(self, pools: list[str], idle_ms: int, present: set[str]) -> list[tuple[str, str]]:
        """Forget `(pool, consumer)`s that hold nothing, were silent for `idle_ms`, and are not `present`.

        Never one that holds entries: they would vanish with it. Returns whom it forgot.
        """
        ...
