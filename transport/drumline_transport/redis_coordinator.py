"""The coordinator's verbs on Redis: leases, inboxes, commits, run records, the sweep.

Promises: `CoordinatorVerbs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from drumline_protocol.keys import Keys
from drumline_protocol.limits import LEASE_MS_MAX
from drumline_transport.broker import (
    INBOX,
    REQUESTS,
    START_POSITION,
    SWEEP_START,
    Commit,
    CommitReply,
    InboxEntry,
    Lease,
    LeaseRow,
    LogEntry,
    Position,
    Source,
    StaleTask,
)
from drumline_transport.connection import Argument, Reply, pack
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.inbox_reader import InboxReader
from drumline_transport.line import Line
from drumline_transport.redis_commits import CommitQueue
from drumline_transport.redis_core import GROUP, _milliseconds, _pairs
from drumline_transport.redis_threads import RedisThreads
from drumline_transport.rows import data_of, inbox_entry, log_entries
from drumline_transport.scripts import (
    ACQUIRE,
    DUE,
    NEXT_TIMER,
    NOTE_TRY,
    PUBLISH,
    RELEASE,
    RENEW_LEASE,
    RENEW_REQUESTS,
)

#: Entries of a log that one XRANGE fetches.
_LOG_PAGE = 500


class RedisCoordinator(RedisThreads):
    """`CoordinatorVerbs` on Redis, but for the commits."""

    def __init__(self, dialer: Dialer, keys: Keys, partitions: int) -> None:
        super().__init__(dialer, keys, partitions)
        self._inbox = InboxReader(dialer, lambda p: (keys.requests(p), keys.inbox(p)), lambda: self._sources)
        self._commits = CommitQueue(dialer, keys)

    @cached_property
    def _sources(self) -> dict[bytes, tuple[int, Source]]:
        """The streams of all inboxes by their keys."""
        inboxes: list[tuple[str, int, Source]] = [(self._keys.inbox(p), p, INBOX) for p in range(self.partitions)]
        requests: list[tuple[str, int, Source]] = [
            (self._keys.requests(p), p, REQUESTS) for p in range(self.partitions)
        ]
        return {key.encode(): (p, source) for key, p, source in [*inboxes, *requests]}

    # -- leases ----------------------------------------------------------------------------------

    def acquire(self, p: int, nonce: str, ttl_ms: int) -> Lease | None:
        return self._leased(p, nonce, self._any.script(ACQUIRE, [self._keys.lease(p)], [nonce, ttl_ms, LEASE_MS_MAX]))

    def _leased(self, p: int, nonce: str, reply: Reply) -> Lease | None:
        """The reply of the acquire script."""
        if reply is None:
            return None
        epoch, inbox, requests, tries = reply
        position = Position(inbox.decode(), requests.decode())
        return Lease(p, nonce, int(epoch), 0, position, int(tries), self._dialer.server_id)

    def renew_leases(self, nonce: str, partitions: list[int], ttl_ms: int) -> list[bool]:
        if not partitions:
            return []
        arguments: list[Argument] = [nonce, ttl_ms]
        calls = [([self._keys.lease(p)], arguments) for p in partitions]
        return [reply == 1 for reply in self._keeper.scripts(RENEW_LEASE, calls)]

    def release(self, p: int, nonce: str) -> None:
        self._any.script(RELEASE, [self._keys.lease(p)], [nonce])

    def renew_requests(self, p: int, nonce: str, epoch: int, last: str) -> bool:
        keys = [self._keys.lease(p), self._keys.requests(p)]
        return bool(self._any.script(RENEW_REQUESTS, keys, [nonce, epoch, last]))

    def note_try(self, p: int, nonce: str, epoch: int, entry: str) -> int:
        return int(self._any.script(NOTE_TRY, [self._keys.lease(p)], [nonce, epoch, entry]))

    def lease_owners(self) -> list[LeaseRow]:
        return self.owners_of(range(self.partitions))

    def owners_of(self, partitions: Sequence[int]) -> list[LeaseRow]:
        """As `lease_owners`, of these partitions."""
        names = ("owner", "epoch", "commit", "position", "requests", "until", "tries")
        commands = [pack("HMGET", self._keys.lease(p), *names) for p in partitions]
        time, *replies = self._any.calls([pack("TIME"), *commands], tolerated=("WRONGTYPE",))
        now = _milliseconds(time)
        rows: list[LeaseRow] = []
        for p, reply in zip(partitions, replies, strict=True):
            if isinstance(reply, ServerError):
                continue
            texts = ((v or b"").decode("utf-8", "replace") for v in reply)
            owner, epoch, commit, inbox, requests, until, tries = texts
            if owner or epoch:
                rows.append(
                    LeaseRow(
                        partition=p,
                        owner=owner,
                        epoch=number_in(epoch),
                        commit=number_in(commit),
                        position=Position(inbox, requests or START_POSITION),
                        remaining_ms=number_in(until) - now,
                        tries=number_in(tries.rpartition(" ")[2]),
                    )
                )
        return rows

    # -- inbox and commits -----------------------------------------------------------------------

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:
        if not after:
            return []
        entries: list[InboxEntry] = []
        for key, rows in self._inbox.read(after, count, block_ms):
            p, source = self._sources[key]
            entries += [inbox_entry(p, source, row_id, values) for row_id, values in rows]
        return entries

    def send_commit(self, commit: Commit) -> None:
        self._commits.send(commit)

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        return self._commits.poll(block_ms)

    @property
    def stalled(self) -> str:
        return self._commits.stalled

    @property
    def outstanding(self) -> int:
        return len(self._commits)

    # -- runs ------------------------------------------------------------------------------------

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:
        return _pairs(self._any.call("HGETALL", self._keys.run(p, run_id)))

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]:
        key = self._keys.log(p, run_id)
        entries: list[LogEntry] = []
        while True:
            start = after if after == "-" else f"({after}"
            page = log_entries(self._any.call("XRANGE", key, start, "+", "COUNT", _LOG_PAGE))
            entries += page
            if len(page) < _LOG_PAGE:
                return entries
            after = page[-1].id

    def open_runs(self, p: int) -> list[str]:
        found = map(_text, self._any.call("SMEMBERS", self._keys.open(p)))
        return sorted(run for run in found if run is not None)

    def waiting_runs(self, p: int) -> list[str]:
        found = map(_text, self._any.call("SMEMBERS", self._keys.waiting(p)))
        return sorted(run for run in found if run is not None)

    def due_timers(self, p: int, limit: int) -> list[str]:
        due = self._any.script(DUE, [self._keys.timers(p)], [limit])
        return [member.decode() for member in due]

    def next_timer(self, p: int) -> tuple[int, int | None]:
        now, at = self._any.script(NEXT_TIMER, [self._keys.timers(p)], [])
        return int(now), int(float(at)) if at else None

    # -- pools -----------------------------------------------------------------------------------

    def ensure_pool(self, pool: str) -> None:
        make_group(self._any, self._keys.tasks(pool))

    def stale_tasks(self, pool: str, idle_ms: int, cursor: str, count: int) -> tuple[list[StaleTask], str]:
        key = self._keys.tasks(pool)
        try:
            rows = self._keeper.call("XPENDING", key, GROUP, "IDLE", idle_ms, cursor, "+", count)
        except ServerError as error:
            if error.code == "NOGROUP":
                return [], SWEEP_START
            raise
        if not rows:
            return [], SWEEP_START
        ids = [row[0].decode() for row in rows]
        found = self._keeper.calls([pack("XRANGE", key, i, i) for i in ids])
        stale = [
            StaleTask(entry_id, row[1].decode(), int(row[2]), data_of(entry[0][1]) if entry else None)
            for entry_id, row, entry in zip(ids, rows, found, strict=True)
        ]
        return stale, f"({ids[-1]}" if len(rows) >= count else SWEEP_START

    def drop_tasks(self, pool: str, entry_ids: list[str]) -> None:
        done: list[Argument] = [word for entry_id in entry_ids for word in (1, entry_id)]
        self._keeper.scripts(PUBLISH, [([self._keys.tasks(pool)], [0, 0, 0, *done])])


def _text(raw: bytes) -> str | None:
    """An id as text; None for what is no text, and so no id of ours: somebody else put it there."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def number_in(text: str) -> int:
    """A number that somebody else may have written: 0 if it is none (as the scripts read it)."""
    return int(text) if len(text) <= 15 and text.isascii() and text.isdigit() else 0


def make_group(line: Line, key: str) -> None:
    """The consumer group of a task stream, from its first entry on.

    Nothing changes when it is there.
    """
    try:
        line.call("XGROUP", "CREATE", key, GROUP, "0", "MKSTREAM")
    except ServerError as error:
        if error.code != "BUSYGROUP":
            raise
