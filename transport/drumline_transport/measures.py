"""What a cluster looks like in numbers, for who watches it: queues of tasks, what lies with each partition. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class PoolMeasure:
    """Tasks of a pool that no worker has (`waiting`), that workers have (`running`), and for how many ms the oldest of
    the first has waited, by Redis TIME.
    """

    waiting: int = 0
    running: int = 0
    oldest_wait_ms: int = 0


@dataclass(slots=True)
class PartitionMeasure:
    """Whether somebody holds the partition, entries of its inbox and requests that are not committed, its open runs,
    those of them that have tasks without an entry, and entries that were set aside.
    """

    is_held: bool
    inbox: int
    open_runs: int
    waiting_runs: int
    dead: int


@dataclass(slots=True)
class Measures:
    """One look. Partitions and pools of servers that are away are left out."""

    pools: dict[str, PoolMeasure] = field(default_factory=dict)
    partitions: dict[int, PartitionMeasure] = field(default_factory=dict)


def together(looks: Iterable[Measures]) -> Measures:
    """Looks at different servers as one."""
    whole = Measures()
    for look in looks:
        whole.partitions.update(look.partitions)
        for pool, row in look.pools.items():
            mine = whole.pools.setdefault(pool, PoolMeasure())
            mine.waiting += row.waiting
            mine.running += row.running
            mine.oldest_wait_ms = max(mine.oldest_wait_ms, row.oldest_wait_ms)
    return whole
