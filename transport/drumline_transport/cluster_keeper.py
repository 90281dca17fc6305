"""The keeper's verbs on a Redis Cluster. Promises: `KeeperVerbs`.

A slot whose node is away counts as a key that cannot be used: it costs its partition, and no lease of another one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from drumline_protocol.errors import NoBroker
from drumline_transport.broker import SWEEP_START, Kind, Lease, StaleTask
from drumline_transport.cluster_coordinator import ClusterCoordinator
from drumline_transport.cluster_parts import by_partition, entry_name, named_record, sweep_parts
from drumline_transport.connection import Reply, pack
from drumline_transport.dead import DeadEntry
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import KeeperVerbs, LeaseState, Missing, PoolSweep, RunLook, Survey
from drumline_transport.redis_core import _milliseconds, members_in
from drumline_transport.redis_keeper import WHICH_SCRIPTS, lease_state, member_name
from drumline_transport.scripts import RENEW_LEASE

#: Who is there, by name.
_Members = dict[str, tuple[bytes, int]]


class ClusterKeeper(ClusterCoordinator):
    """`KeeperVerbs` on a Redis Cluster."""

    # -- members and leases ------------------------------------------------------------------------

    def survey(self, name: str, info: bytes, nonce: str, held: list[int], ttl_ms: int) -> Survey:
        look = Survey(0, set(), {}, set(), {}, {})
        reached = False
        trouble: NoBroker | None = None
        for p in [*held, *(p for p in range(self.partitions) if p not in set(held))]:
            try:
                state, now_ms = self._look_at_lease(p, nonce if p in held else None, ttl_ms)
            except NoBroker as away:
                look.unserved.add(p)
                look.unusable[self._keys.lease(p)] = away.cause
                trouble = away
                continue
            reached, look.now_ms = True, max(look.now_ms, now_ms)
            if isinstance(state, ServerError):
                look.unserved.add(p)
                look.unusable[self._keys.lease(p)] = state.text
            elif state is True:
                look.kept.add(p)
            elif isinstance(state, LeaseState):
                look.leases[p] = state
        if not reached and trouble is not None:
            raise trouble
        look.coordinators = self._members(look, "coordinators", name, info)
        look.workers = self._members(look, "workers")
        return look

    def _look_at_lease(
        self, p: int, nonce: str | None, ttl_ms: int
    ) -> tuple[LeaseState | ServerError | bool | None, int]:
        """With a nonce whether the lease was prolonged; without one how it stands (None: nobody ever had it)."""
        part, key = self.part(p), self._keys.lease(p)
        first = pack("HMGET", key, "owner", "until") if nonce is None else RENEW_LEASE.pack([key], [nonce, ttl_ms])
        reply, time, known = part._ask([RENEW_LEASE], [first, pack("TIME"), WHICH_SCRIPTS], spared=1)
        part._install(known)
        now_ms = _milliseconds(time)
        if isinstance(reply, ServerError):
            return reply, now_ms
        if nonce is not None:
            return reply == 1, now_ms
        return (lease_state(reply[0], reply[1], now_ms) if any(reply) else None), now_ms

    def _members(self, look: Survey, kind: Kind, name: str = "", info: bytes = b"") -> _Members:
        """The members, or those known last while their list's node is away. Beats as `name` first, if there is one."""
        core = self.members_core(kind)
        key = core._members_key(kind)
        try:
            if name:
                core.beat(kind, name, info)
            time, rows = core._keeper.calls([pack("TIME"), pack("HGETALL", key)], tolerated=("WRONGTYPE",))
        except (NoBroker, ServerError) as error:
            look.unusable[key] = error.cause if isinstance(error, NoBroker) else error.text
            return self._last_members.get(kind, {})
        if isinstance(rows, ServerError):
            look.unusable[key] = rows.text
            return {}
        found = members_in(rows, _milliseconds(time))
        self._last_members[kind] = found
        self._forget_silent(kind, key, rows, found)
        return found

    @cached_property
    def _last_members(self) -> dict[Kind, _Members]:
        return {}

    def _forget_silent(self, kind: Kind, key: str, rows: Reply, found: _Members) -> None:
        silent = [raw for raw in rows[::2] if member_name(raw) not in found]
        if silent:
            self.members_core(kind)._keeper.calls([pack("HDEL", key, *silent)], tolerated=("WRONGTYPE",))

    def acquire_all(self, partitions: list[int], nonce: str, ttl_ms: int) -> list[Lease]:
        found, _ = self.each(partitions, lambda p: self.part(p).acquire_all([p], nonce, ttl_ms))
        return [lease for p in partitions for lease in found.get(p, ())]

    # -- the sweep ---------------------------------------------------------------------------------

    def sweep_pools(self, cursors: dict[str, str], idle_ms: int, count: int) -> dict[str, PoolSweep]:
        return {pool: self._sweep(pool, cursor, idle_ms, count) for pool, cursor in cursors.items()}

    def _sweep(self, pool: str, cursor: str, idle_ms: int, count: int) -> PoolSweep:
        """As `stale_tasks`. The others go on when a partition cannot be looked at, and the error names it."""
        errors: list[str] = []

        def look(p: int, inner: str, left: int) -> tuple[list[StaleTask], str]:
            try:
                found = self.part(p).sweep_pools({pool: inner}, idle_ms, left)[pool]
            except NoBroker as away:
                found = PoolSweep([], SWEEP_START, away.cause)
            errors.append(found.error)
            return found.stale, found.cursor

        stale, behind = sweep_parts(self.partitions, cursor, count, look)
        return PoolSweep(stale, behind, next(filter(None, errors), ""))

    def look_at_runs(self, runs: list[tuple[int, str]]) -> list[RunLook]:
        by_place: dict[int, list[tuple[int, str]]] = {}
        for run in runs:
            by_place.setdefault(run[0], []).append(run)
        looks: dict[tuple[int, str], RunLook] = {}
        found, _ = self.each(by_place, lambda p: self.part(p).look_at_runs(by_place[p]))
        for p, theirs in found.items():
            for run, look in zip(by_place[p], theirs, strict=True):
                looks[run] = replace(look, record=named_record(p, look.record))
        # Of a run whose node is away nothing is known: it is looked at again.
        return [looks.get(run) or RunLook({}, is_open=False) for run in runs]

    def missing_tasks(self, entries: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], Missing], dict[str, str]]:
        missing: dict[tuple[str, str], Missing] = {}
        unusable: dict[str, str] = {}
        for p, mine in by_partition(entries).items():
            try:
                found, bad = self.part(p).missing_tasks(mine)
            except NoBroker as away:
                unusable.update((pool, away.cause) for pool, _ in mine)
                continue
            unusable.update(bad)
            missing.update({(pool, entry_name(p, entry_id)): why for (pool, entry_id), why in found.items()})
        return missing, unusable

    def set_aside(self, p: int, entry: DeadEntry) -> None:
        self.part(p).set_aside(p, entry)

    def forget_consumers(self, pools: list[str], idle_ms: int, present: set[str]) -> list[tuple[str, str]]:
        found, _ = self.each(range(self.partitions), lambda p: self.part(p).forget_consumers(pools, idle_ms, present))
        return sorted({gone for rows in found.values() for gone in rows})


def _conforms(broker: ClusterKeeper) -> KeeperVerbs:
    return broker  # checked by mypy
