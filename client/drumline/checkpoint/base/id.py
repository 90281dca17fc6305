"""Ids of checkpoints (LangGraph's `langgraph.checkpoint.base.id`): UUIDs that sort by the time of their making."""

from __future__ import annotations

import time
from os import urandom
from threading import Lock
from uuid import UUID

_EPOCH = 0x01B2_1DD2_1381_4000
_lock = Lock()
_last = 0


def uuid6(node: int | None = None, clock_seq: int | None = None) -> UUID:
    """A UUID of version 6. Those of one process are in the order of their making."""
    global _last
    with _lock:
        _last = stamp = max(_last + 1, time.time_ns() // 100 + _EPOCH)
    low = int.from_bytes(urandom(8), "big") if node is None else node
    sequence = int.from_bytes(urandom(2), "big") if clock_seq is None else clock_seq
    bits = (stamp >> 12 & (1 << 48) - 1) << 80 | 0x6 << 76 | (stamp & 0xFFF) << 64
    return UUID(int=bits | 0b10 << 62 | (sequence & 0x3FFF) << 48 | low & (1 << 48) - 1)


__all__ = ["UUID", "uuid6"]
