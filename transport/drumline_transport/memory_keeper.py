"""The keeper's verbs of the double. Promises: `KeeperVerbs`. Nothing in it is ever of another type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drumline_protocol.limits import DEAD_ENTRIES_MAX
from drumline_transport.broker import SWEEP_START, Lease
from drumline_transport.dead import DeadEntry
from drumline_transport.keeper_verbs import LeaseState, Missing, PoolSweep, RunLook, Survey
from drumline_transport.memory_streams import parse_id

if TYPE_CHECKING:
    from drumline_transport.broker import CoordinatorVerbs
    from drumline_transport.memory import MemoryServer

    class _Double(CoordinatorVerbs, Protocol):
        def _reach(self, *, write: bool = False) -> MemoryServer: ...
else:
    _Double = object


class MemoryKeeper(_Double):
    """What `MemoryBroker` answers a keeper."""

    def survey(self, name: str, info: bytes, nonce: str, held: list[int], ttl_ms: int) -> Survey:
        mine = self.renew_leases(nonce, held, ttl_ms)
        self.beat("coordinators", name, info)
        return Survey(
            now_ms=self.time_ms(),
            kept={p for p, kept in zip(held, mine, strict=True) if kept},
            leases={
                row["partition"]: LeaseState(row["owner"], row["remaining_ms"])
                for row in self.lease_owners()
                if row["partition"] not in held
            },
            unserved=set(),
            coordinators=self.members("coordinators"),
            workers=self.members("workers"),
        )

    def acquire_all(self, partitions: list[int], nonce: str, ttl_ms: int) -> list[Lease]:
        leases = [self.acquire(p, nonce, ttl_ms) for p in partitions]
        return [lease for lease in leases if lease is not None]

    def sweep_pools(self, cursors: dict[str, str], idle_ms: int, count: int) -> dict[str, PoolSweep]:
        found = {}
        for pool, cursor in cursors.items():
            self.ensure_pool(pool)
            stale, behind = self.stale_tasks(pool, idle_ms, cursor, count)
            found[pool] = PoolSweep(stale, behind or SWEEP_START)
        return found

    def look_at_runs(self, runs: list[tuple[int, str]]) -> list[RunLook]:
        looks = []
        for p, run_id in runs:
            part = self._reach().partition(p)
            record = dict(part.runs.get(run_id, {}))
            if not record:
                damage = "its record is gone"
            elif "status" not in record or (record["status"] == b"open" and "shared" not in record):
                damage = "a part of its record is gone"
            elif run_id not in part.logs:
                damage = "its log is gone"
            else:
                damage = ""
            looks.append(RunLook(record, run_id in part.open, damage, run_id in part.waiting))
        return looks

    def missing_tasks(self, entries: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], Missing], dict[str, str]]:
        missing: dict[tuple[str, str], Missing] = {}
        for pool, entry in entries:
            tasks, entry_id = self._reach().pool(pool), parse_id(entry)
            if tasks.stream.get(entry_id) is None:
                missing[pool, entry] = "gone"
            elif entry_id <= tasks.delivered and entry_id not in tasks.pending:
                missing[pool, entry] = "stranded"
        return missing, {}

    def set_aside(self, p: int, entry: DeadEntry) -> None:
        server = self._reach(write=True)
        dead = server.partition(p).dead
        dead.append(dead.next_id(server.now_ms), entry.as_kept())
        dead.keep_last(DEAD_ENTRIES_MAX)

    def forget_consumers(self, pools: list[str], idle_ms: int, present: set[str]) -> list[tuple[str, str]]:
        server = self._reach(write=True)
        gone = []
        for pool in pools:
            tasks = server.pool(pool)
            holding = {row.consumer for row in tasks.pending.values()}
            for name, heard_ms in list(tasks.consumers.items()):
                if name not in holding and name not in present and server.now_ms - heard_ms >= idle_ms:
                    del tasks.consumers[name]
                    gone.append((pool, name))
        return gone
