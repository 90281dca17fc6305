"""The gauges of a cluster: what its keys say at this moment. Told by `drumline exporter`, one process for a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from drumline.metrics.names import OWNER_STATES
from drumline_protocol.errors import ClusterError
from drumline_protocol.presence import presences
from drumline_transport.broker import Kind
from drumline_transport.errors import ServerError
from drumline_transport.measures import Measures

#: looks are at least so far apart, however many scrape
LOOK_AGAIN_S = 1.0

Gauges = dict[str, dict[tuple[str, ...], float]]


class _Looks(Protocol):
    partitions: int

    def members(self, kind: Kind) -> dict[str, tuple[bytes, int]]: ...
    def measure(self, pools: list[str]) -> Measures: ...


class ClusterLook:
    """Called at each scrape; threads share a look, and one that is not yet old."""

    def __init__(self, broker: _Looks) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._found: Gauges = {}
        self._looked_s: float | None = None

    def __call__(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """The gauges. Of a broker that is away nothing is told but that."""
        with self._lock:
            if self._looked_s is None or time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
                try:
                    self._found = look(self._broker)
                except (ClusterError, ServerError):
                    self._found = {"drumline_broker_up": {(): 0.0}}
                self._looked_s = time.monotonic()
            return self._found


def look(broker: _Looks) -> Gauges:
    """One look: members, then partitions and pools. NoBroker, ServerError."""
    workers, coordinators = (
        [row for row in presences(broker.members(kind)) if row.is_alive] for kind in ("workers", "coordinators")
    )
    # a pool without a worker is known to coordinators alone, from the graphs
    pools = sorted({pool for row in (*workers, *coordinators) for pool in row.pools})
    found = broker.measure(pools)
    rows = found.partitions.values()
    held = sum(row.is_held for row in rows)
    states = dict(zip(OWNER_STATES, (held, len(rows) - held, broker.partitions - len(rows)), strict=True))
    of_pools: dict[str, Any] = {
        "drumline_workers": lambda pool: sum(pool in row.pools for row in workers),
        "drumline_pool_slots": lambda pool: sum(row.concurrency for row in workers if pool in row.pools),
        "drumline_pool_tasks_waiting": lambda pool: found.pools[pool].waiting,
        "drumline_pool_tasks_running": lambda pool: found.pools[pool].running,
        "drumline_pool_oldest_wait_seconds": lambda pool: found.pools[pool].oldest_wait_ms / 1000,
    }
    known = [pool for pool in pools if pool in found.pools]
    return {
        "drumline_broker_up": {(): 1.0},
        "drumline_partitions": {(state,): float(count) for state, count in states.items()},
        "drumline_coordinators": {(): float(len(coordinators))},
        **{name: {(pool,): float(ask(pool)) for pool in known} for name, ask in of_pools.items()},
        "drumline_inbox_lag_entries": {(str(p),): float(row.inbox) for p, row in found.partitions.items()},
        "drumline_runs_open": {(): float(sum(row.open_runs for row in rows))},
        "drumline_runs_waiting": {(): float(sum(row.waiting_runs for row in rows))},
        "drumline_dead_entries": {(): float(sum(row.dead for row in rows))},
    }
