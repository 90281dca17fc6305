"""Short ways to write what the transport tests say again and again."""

from __future__ import annotations

from typing import Any

from drumline_transport.broker import (
    Commit,
    CommitReply,
    Lease,
    LogAppend,
    TaskAppend,
)


def lease_of(broker: Any, p: int = 0, nonce: str = "A", ttl_ms: int = 60_000) -> Lease:
    lease: Lease | None = broker.acquire(p, nonce, ttl_ms)
    assert lease is not None
    return lease


def blob(broker: Any, p: int, blob_id: str) -> bytes | None:
    """A large value as it is kept now."""
    _, [found] = broker.read_values(p, [], [blob_id])
    data: bytes | None = found
    return data


def commit_of(lease: Lease, number: int, **parts: Any) -> Commit:
    position = parts.pop("position", lease.position)
    return Commit(lease.partition, lease.nonce, lease.epoch, number, position, **parts)


def settle(broker: Any, *commits: Commit) -> list[CommitReply]:
    """Send the commits and wait for all replies."""
    for commit in commits:
        broker.send_commit(commit)
    return replies_of(broker)


def replies_of(broker: Any, polls: int = 20) -> list[CommitReply]:
    replies: list[CommitReply] = []
    for _ in range(polls):
        if not broker.outstanding:
            break
        replies += broker.poll_commits(1000)
    assert not broker.outstanding, broker.stalled
    return replies


def statuses(replies: list[CommitReply]) -> list[tuple[int, str]]:
    return [(reply.number, reply.status) for reply in replies]


def log(run: str, first: int, last: int, data: bytes = b"facts") -> LogAppend:
    return LogAppend(run, first, last, data)


def task(run: str, attempt: str, data: bytes = b"do", pool: str = "default") -> TaskAppend:
    return TaskAppend(run, attempt, pool, data)
