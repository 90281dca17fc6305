"""What all roles share: the address, the key names, the lines, and the verbs that any of them may use."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_protocol.cells import CellRow
from drumline_protocol.keys import Keys
from drumline_protocol.limits import (
    ASSISTANTS_MAX,
    COORDINATOR_LEASE_MS,
    PRESENCE_AHEAD_MS_MAX,
    READ_NAMES_MAX,
    READ_ROWS_MAX,
    TASK_LEASE_MS,
)
from drumline_protocol.wire import VERSION
from drumline_transport.assistant_verbs import too_many
from drumline_transport.broker import CellRead, Kind
from drumline_transport.connection import Argument, Reply, pack
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.line import Line
from drumline_transport.measures import Measures
from drumline_transport.measuring import measure
from drumline_transport.rows import cell_rows
from drumline_transport.scripts import BEAT, SWAP

#: The consumer group of every task stream.
GROUP = "workers"
#: How long a keeper's reply, and each step of its connecting, may take: of the shortest lease a third, so that a
#: connection with nobody at its other end is noticed and replaced before what it renews runs out.
KEEPER_TIMEOUT_S = min(COORDINATOR_LEASE_MS, TASK_LEASE_MS) / 3000
#: A member that was silent for this long is taken off the list by whoever reads it.
MEMBER_FORGET_MS = 3_600_000
#: Digits of a stamp in ms: enough for a thousand centuries.
_STAMP_DIGITS_MAX = 16
#: Members that one HDEL takes off the list.
_FORGET_WORDS_MAX = 1000


class RedisCore:
    """Lines by group of verbs (see the table in `broker.py`), opened when first used."""

    def __init__(self, dialer: Dialer, keys: Keys, partitions: int) -> None:
        self.partitions = partitions
        self.protocol = VERSION
        self._dialer = dialer
        self._keys = keys
        self._any = Line(dialer, "any")
        # A keeper must not wait while the server refuses writes: tasks have to be renewed meanwhile.
        self._keeper = Line(dialer, "keeper", waits_for_refusals=False, timeout_s=KEEPER_TIMEOUT_S)

    def server_id(self, p: int) -> str:  # noqa: ARG002 - one server holds them all
        return self._dialer.server_id

    def raise_protocol(self, version: int) -> None:
        self._any.call("HSET", self._keys.meta(), "protocol", version)

    def time_ms(self) -> int:
        return _milliseconds(self._any.call("TIME"))

    # -- members and graphs ----------------------------------------------------------------------

    def _members_key(self, kind: Kind) -> str:
        return self._keys.workers() if kind == "workers" else self._keys.coordinators()

    def beat(self, kind: Kind, name: str, info: bytes) -> None:
        self._keeper.script(BEAT, [self._members_key(kind)], [name, info])

    def leave(self, kind: Kind, name: str) -> None:
        self._keeper.call("HDEL", self._members_key(kind), name)

    def members(self, kind: Kind) -> dict[str, tuple[bytes, int]]:
        key = self._members_key(kind)
        time, rows = self._any.calls([pack("TIME"), pack("HGETALL", key)])
        found = members_in(rows, _milliseconds(time))
        forgotten = [name for name in _pairs(rows) if name not in found]
        for start in range(0, len(forgotten), _FORGET_WORDS_MAX):
            names = (name.encode("utf-8", "surrogateescape") for name in forgotten[start : start + _FORGET_WORDS_MAX])
            self._any.call("HDEL", key, *names)
        return found

    def put_graph(self, name: str, data: bytes) -> None:
        self._any.call("HSET", self._keys.graphs(), name, data)

    def graphs(self) -> dict[str, bytes]:
        return _pairs(self._any.call("HGETALL", self._keys.graphs()))

    def assistants(self) -> dict[str, bytes]:
        return _pairs(self._any.call("HGETALL", self._keys.assistants()))

    def assistant(self, assistant: str) -> bytes | None:
        found: bytes | None = self._any.call("HGET", self._keys.assistants(), assistant)
        return found

    def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        words: list[Argument] = [assistant, was or b"", data or b"", ASSISTANTS_MAX]
        said: int = self._any.script(SWAP, [self._keys.assistants()], words)
        if said < 0:
            raise too_many()
        return bool(said)

    def queue_depths(self, pools: list[str]) -> dict[str, tuple[int, int]]:
        commands = []
        for pool in pools:
            key = self._keys.tasks(pool)
            commands += [pack("XLEN", key), pack("XPENDING", key, GROUP)]
        if not commands:
            return {}
        replies = self._any.calls(commands, tolerated=("NOGROUP", "WRONGTYPE"))
        depths: dict[str, tuple[int, int]] = {}
        for pool, length, summary in zip(pools, replies[::2], replies[1::2], strict=True):
            pending = 0 if isinstance(summary, ServerError) or not summary else int(summary[0])
            # An acknowledged entry is deleted in the same step, so what is not pending was not delivered.
            waiting = 0 if isinstance(length, ServerError) else int(length) - pending
            depths[pool] = (max(0, waiting), pending)
        return depths

    def measure(self, pools: list[str]) -> Measures:
        return self.measure_some(range(self.partitions), pools)

    def measure_some(self, partitions: Sequence[int], pools: list[str]) -> Measures:
        """As `measure`, of some partitions."""
        return measure(self._any, self._keys, GROUP, partitions, pools)

    # -- values and inbox ------------------------------------------------------------------------

    def read_values(
        self, p: int, cells: list[CellRead], blobs: list[str]
    ) -> tuple[list[list[CellRow]], list[bytes | None]]:
        keys = self._keys
        commands = [_rows_command(keys.cells(p, owner, cell), after, upto) for owner, cell, after, upto in cells]
        commands += [pack("GET", keys.blob(p, blob_id)) for blob_id in blobs]
        replies: list[Reply] = []
        for start in range(0, len(commands), READ_NAMES_MAX):
            replies += self._any.calls(commands[start : start + READ_NAMES_MAX], tolerated=("WRONGTYPE",))
        rows = [cell_rows(reply) for reply in replies[: len(cells)]]
        for (owner, cell, _, upto), found in zip(cells, rows, strict=True):
            page = len(found)
            while page == READ_ROWS_MAX:
                more = self._any.call_packed(_rows_command(keys.cells(p, owner, cell), found[-1].version, upto))
                page = len(more)
                found += cell_rows(more)
        return rows, [None if isinstance(reply, ServerError) else reply for reply in replies[len(cells) :]]

    def push_inbox(self, p: int, run_id: str, data: bytes) -> None:
        self._any.call("XADD", self._keys.inbox(p), "*", "r", run_id, "d", data)

    def close(self) -> None:
        self._dialer.close()


def _rows_command(key: str, after: int, upto: int) -> bytes:
    return pack("XRANGE", key, f"{after + 1}-0", f"{upto}-0", "COUNT", READ_ROWS_MAX)


def members_in(rows: Reply, now_ms: int) -> dict[str, tuple[bytes, int]]:
    """Who is there, from a hash of beats (`<ms> <info>`) that anybody may have written to."""
    found: dict[str, tuple[bytes, int]] = {}
    for name, value in _pairs(rows).items():
        at, _, info = value.partition(b" ")
        age = now_ms - int(at) if at.isdigit() and len(at) <= _STAMP_DIGITS_MAX else MEMBER_FORGET_MS + 1
        if -PRESENCE_AHEAD_MS_MAX <= age <= MEMBER_FORGET_MS:
            found[name] = (info, max(0, age))
    return found


def _milliseconds(time: Reply) -> int:
    """The reply of TIME (seconds, microseconds) in ms."""
    return int(time[0]) * 1000 + int(time[1]) // 1000


def _pairs(reply: Reply) -> dict[str, bytes]:
    """A flat list of names and values, as HGETALL returns it."""
    rows = iter(reply)
    return {name.decode("utf-8", "surrogateescape"): value for name, value in zip(rows, rows, strict=True)}
