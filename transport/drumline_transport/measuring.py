"""A look at a cluster in numbers, on Redis (`OperatorVerbs.measure`)."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_protocol.keys import Keys
from drumline_transport.connection import Reply, pack
from drumline_transport.errors import ServerError
from drumline_transport.line import Line
from drumline_transport.measures import Measures, PartitionMeasure, PoolMeasure

#: Error replies of keys that hold something else, or nothing: their number is 0.
_TOLERATED = ("NOGROUP", "WRONGTYPE", "ERR")
#: digits of a stamp in ms that somebody may have written
_STAMP_DIGITS_MAX = 16


def measure(line: Line, keys: Keys, group: str, partitions: Sequence[int], pools: Sequence[str]) -> Measures:
    """Look at these partitions and pools: one round trip, and one more if tasks wait. NoBroker."""
    commands = [pack("TIME")]
    for p in partitions:
        commands.append(pack("HMGET", keys.lease(p), "owner", "until"))
        commands += [pack("XLEN", key(p)) for key in (keys.inbox, keys.requests, keys.dead)]
        commands += [pack("SCARD", key(p)) for key in (keys.open, keys.waiting)]
    for pool in pools:
        key = keys.tasks(pool)
        commands += [pack("XLEN", key), pack("XPENDING", key, group), pack("XINFO", "GROUPS", key)]
    time, *replies = line.calls(commands, tolerated=_TOLERATED)
    now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
    found, per = Measures(), 6
    for index, p in enumerate(partitions):
        lease, inbox, requests, dead, runs, waiting = replies[index * per : (index + 1) * per]
        sums = (_number(inbox) + _number(requests), _number(runs), _number(waiting), _number(dead))
        found.partitions[p] = PartitionMeasure(_is_held(lease, now_ms), *sums)
    begun: dict[str, str] = {}
    of_pools = replies[len(partitions) * per :]
    for index, pool in enumerate(pools):
        length, summary, groups = of_pools[index * 3 : (index + 1) * 3]
        running = 0 if isinstance(summary, ServerError) or not summary else int(summary[0])
        # An acknowledged entry is deleted in the same step, so what is not pending was not delivered.
        found.pools[pool] = PoolMeasure(max(0, _number(length) - running), running)
        if found.pools[pool].waiting:
            begun[pool] = _delivered(groups, group)
    _add_waits(line, keys, found, begun, now_ms)
    return found


def _add_waits(line: Line, keys: Keys, found: Measures, begun: dict[str, str], now_ms: int) -> None:
    """Since when the first entry behind the last that was delivered waits: its id is the time at which it came."""
    commands = [pack("XRANGE", keys.tasks(pool), f"({last}", "+", "COUNT", 1) for pool, last in begun.items()]
    if not commands:
        return
    for pool, rows in zip(begun, line.calls(commands, tolerated=_TOLERATED), strict=True):
        if not isinstance(rows, ServerError) and rows:
            came = _stamp(rows[0][0].partition(b"-")[0])
            found.pools[pool].oldest_wait_ms = max(0, now_ms - came)


def _is_held(lease: Reply, now_ms: int) -> bool:
    return not isinstance(lease, ServerError) and bool(lease[0]) and _stamp(lease[1] or b"") > now_ms


def _delivered(groups: Reply, group: str) -> str:
    """The id of the last entry that the group was given."""
    for row in [] if isinstance(groups, ServerError) else groups:
        told = dict(zip(row[::2], row[1::2], strict=False))
        if told.get(b"name") == group.encode():
            return bytes(told.get(b"last-delivered-id", b"0-0")).decode("ascii", "replace")
    return "0-0"


def _number(reply: Reply) -> int:
    return 0 if isinstance(reply, ServerError) else int(reply)


def _stamp(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= _STAMP_DIGITS_MAX else 0
