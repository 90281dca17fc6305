"""The commits of a coordinator on their way: packed, pipelined, and sent again until each has its reply.

Replies come in the order of sending. When one says that its commit could not be applied *yet* (no connection, OOM, a
lost script), the later ones of the same partition in flight cannot have been applied either, since numbers leave no
gap; they are sent again behind it. Other partitions go on undisturbed.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_protocol.limits import DEAD_ENTRIES_MAX, FAILED_RUNS_MAX
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.backoff import Pause
from drumline_transport.broker import Commit, CommitReply, Position
from drumline_transport.connection import (
    ELSEWHERE,
    NOTHING,
    PASSING,
    REPLY_TIMEOUT_S,
    UNLOADED,
    UNWELCOME,
    Argument,
    Connection,
    Lost,
    Reply,
)
from drumline_transport.dialer import Dialer
from drumline_transport.errors import ServerError
from drumline_transport.key_words import key_words
from drumline_transport.line import load_script
from drumline_transport.log_words import log_words, task_words
from drumline_transport.rows import dead_words
from drumline_transport.scripts import COMMIT
from drumline_transport.thread_words import entry_words, thread_words
from drumline_transport.value_words import cell_words, value_words

#: Words of one HSET inside the commit script (Lua's `unpack` fails at several thousand).
_FIELD_WORDS_MAX = 100
#: About how many control messages are kept.
CTL_LENGTH_MAX = 10_000
#: How many times in a row the script is loaded at once before a pause is made.
_LOADS_MAX = 100


def pack_commit(commit: Commit, keys: Keys, before: Position | None = None) -> bytes:
    """The commit as one EVALSHA. `before` is the position of the commit before, if that was of the same epoch.

    Raises `ValueError` for what no server could apply.
    """
    p = commit.partition
    names: list[str] = []
    index: dict[str, int] = {}
    types: list[str] = []

    def key(name: str, kind: str) -> int:
        k = index.get(name)
        if k is None:
            names.append(name)
            types.append(kind)
            index[name] = k = len(names) + 1  # behind the lease
        return k

    ops: list[Argument] = []
    add = ops.extend
    epoch, number = commit.epoch, commit.number
    if commit.logs:
        add(log_words(commit, keys, key))
    add(cell_words(commit, keys, key) if commit.cells else ())
    add(entry_words(commit, keys, key) if commit.history or commit.queued else ())
    if commit.tasks:
        add(task_words(commit, keys, key))
    for run_id, values in commit.fields:
        k = key(keys.run(p, run_id), "h")
        words: list[Argument] = [word for pair in values.items() for word in pair]
        for i in range(0, len(words), _FIELD_WORDS_MAX):
            chunk = words[i : i + _FIELD_WORDS_MAX]
            add(("F", k, len(chunk), *chunk))
    for run_id, attempt in commit.settled:
        add(("S", key(keys.run(p, run_id), "h"), attempt))
    for run_id, attempt in commit.withdrawn:
        add(("W", key(keys.run(p, run_id), "h"), attempt, keys.tasks("")))
    add(value_words(commit, keys, key))
    for run_id in commit.opened:
        add(("O", key(keys.open(p), "s"), run_id))
    for run_id, waits in commit.waiting:
        add(("P", key(keys.waiting(p), "s"), run_id, int(waits)))
    for run_id, ttl_s in commit.closed:
        run, log_key = key(keys.run(p, run_id), "h"), key(keys.log(p, run_id), "-")
        add(("C", key(keys.open(p), "s"), run_id, run, log_key, int(ttl_s), int(run_id in commit.short_logs)))
    for member, due_ms in commit.timers:
        add(("Z", key(keys.timers(p), "z"), int(due_ms), member))
    for member in commit.timers_done:
        add(("Y", key(keys.timers(p), "z"), member))
    for message in commit.ctl:
        add(("M", key(keys.ctl(), "x"), CTL_LENGTH_MAX, message))
    for run_id in commit.deleted:
        run, log_key = key(keys.run(p, run_id), "h"), key(keys.log(p, run_id), "-")
        add(("R", key(keys.open(p), "s"), run_id, run, log_key))
    for dead in commit.dead:
        words = dead_words(dead)
        add(("N", key(keys.dead(p), "x"), DEAD_ENTRIES_MAX, len(words), *words))
    for failed in commit.failed:
        words = ["r", failed.run_id, "g", failed.graph, "t", failed.at_ms, "e", failed.error]
        add(("N", key(keys.failed(p), "x"), FAILED_RUNS_MAX, len(words), *words))
    add(thread_words(commit, keys, key))
    position = [_checked(id_) for id_ in commit.position]
    if before is not None:
        position = ["" if id_ == former else id_ for id_, former in zip(position, before, strict=True)]
    # Runs on no thread have few keys: it takes longer to say them in short than it saves.
    whole, told = key_words(keys, p, names) if commit.history else (names, "")
    head: list[Argument] = [commit.nonce, epoch, number - 1, number, *position, "".join(types), told]
    return COMMIT.pack([keys.lease(p), *whole], [*head, *ops])


def _checked(position: str) -> str:
    ms, dash, seq = position.partition("-")
    if not (dash and ms.isdecimal() and seq.isdecimal()):
        raise ValueError(f"{position!r} is not the id of an inbox entry, like '1718000000000-0'")
    return position


@dataclass(slots=True)
class _Sent:
    partition: int
    number: int
    packed: bytes


class CommitQueue:
    """For one thread. See `CoordinatorVerbs.send_commit` and `poll_commits` for the promises."""

    def __init__(self, dialer: Dialer, keys: Keys) -> None:
        self._dialer = dialer
        self._keys = keys
        self._connection: Connection | None = None
        #: written to the connection, reply to come
        self._in_flight: deque[_Sent] = deque()
        #: refused for now, or behind such a one: to be sent again before all in `_queue`
        self._again: list[_Sent] = []
        self._held: set[int] = set()
        self._queue: deque[_Sent] = deque()
        #: epoch and position of the last commit of each partition
        self._last: dict[int, tuple[int, Position]] = {}
        self._pause = Pause()
        self._retry_at = 0.0
        self._heard_at = 0.0
        self._script_lost = False
        self._may_load = True
        self._loads = 0
        self.stalled = ""
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The connection and the commits on their way are those of the parent, which holds the leases too."""
        self._connection = None
        for waiting in (self._in_flight, self._again, self._queue, self._held, self._last):
            waiting.clear()
        self._pause, self._retry_at, self.stalled = Pause(), 0.0, ""

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._again) + len(self._queue)

    def awaits(self) -> tuple[Connection | None, float]:
        """The connection on which a reply is to come; if none is, when to try again (of `time.monotonic`)."""
        return (self._connection if self._in_flight else None), self._retry_at

    def send(self, commit: Commit) -> None:
        p = commit.partition
        epoch, before = self._last.get(p, (0, None))
        packed = pack_commit(commit, self._keys, before if epoch == commit.epoch else None)
        self._last[p] = commit.epoch, commit.position
        self._queue.append(_Sent(p, commit.number, packed))
        self._flush()

    def poll(self, block_ms: int) -> list[CommitReply]:
        replies: list[CommitReply] = []
        deadline = time.monotonic() + block_ms / 1000 if block_ms > 0 else 0.0
        while True:
            self._flush()
            self._drain(replies)
            if replies or not deadline or not len(self) or self._dialer.closed.is_set():
                return replies
            now = time.monotonic()
            if now >= deadline:
                return replies
            if self._in_flight and self._connection is not None:
                self._connection.wait(deadline - now)
            else:
                self._dialer.closed.wait(max(0.0, min(self._retry_at, deadline) - now))

    def _flush(self) -> None:
        """Send what waits, unless replies must come first or it is too early to try again."""
        if self._again:
            if self._in_flight:
                return
            self._queue.extendleft(reversed(self._again))
            self._again.clear()
            self._held.clear()
        if not self._queue or (self._retry_at and time.monotonic() < self._retry_at):
            return
        try:
            if self._connection is not None and self._dialer.is_behind(self._connection):
                raise Lost("another server has taken the place of this one")
            connection = self._connection or self._connect()
            if self._script_lost:
                self._load(connection)
            if not self._in_flight:
                self._heard_at = time.monotonic()
            batch = b"".join(sent.packed for sent in self._queue)
            self._in_flight.extend(self._queue)
            self._queue.clear()
            connection.send(batch)
        except Lost as lost:
            self._lose(str(lost))
        except NoBroker as refused:
            self._lose(refused.cause)
        except ServerError as refusal:
            self._lose(refusal.text)

    def _load(self, connection: Connection) -> None:
        try:
            load_script(connection, COMMIT)
            self._may_load = True
        except ServerError as refusal:
            if refusal.code != UNLOADED:
                raise
            self._may_load = False  # it may be there all the same: somebody else loads it
        self._script_lost = False

    def _connect(self) -> Connection:
        connection = self._connection = self._dialer.dial("commit")
        self._script_lost = True
        return connection

    def _drain(self, replies: list[CommitReply]) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            while self._in_flight:
                reply = connection.poll()
                if reply is NOTHING:
                    if time.monotonic() - self._heard_at > REPLY_TIMEOUT_S:
                        raise Lost(f"no answer to a commit within {REPLY_TIMEOUT_S:g} s")
                    return
                self._heard_at = time.monotonic()
                self._take_reply(self._in_flight.popleft(), reply, replies)
        except Lost as lost:
            self._lose(str(lost))

    def _take_reply(self, sent: _Sent, reply: Reply, replies: list[CommitReply]) -> None:
        if isinstance(reply, int):
            status = CommitReply(sent.partition, sent.number, "applied" if reply else "already")
            if not self._held:
                self._pause.reset()
                self._retry_at, self._loads, self.stalled = 0.0, 0, ""
        elif sent.partition in self._held:
            self._again.append(sent)
            return
        elif isinstance(reply, ServerError):
            code = reply.code
            if code == "NOSCRIPT" or code in PASSING or code in UNWELCOME:
                self._hold(sent, code, reply.text)
                return
            status = CommitReply(sent.partition, sent.number, "diverged", reply.text)
        else:
            status = CommitReply(sent.partition, sent.number, "diverged", _text(reply))
        replies.append(status)

    def _hold(self, sent: _Sent, code: str, text: str) -> None:
        """The server did not apply `sent` but may do so later."""
        self._held.add(sent.partition)
        self._again.append(sent)
        if code == "NOSCRIPT":
            self._script_lost = True
            self._loads += 1
            if self._may_load and self._loads <= _LOADS_MAX:
                return
        if code in ELSEWHERE:
            self._dialer.astray()
            raise Lost(text)
        self._back_off(text)

    def _lose(self, cause: str) -> None:
        """The connection is gone or of no use: all without a reply will be sent again, in order."""
        if self._connection is not None:
            self._dialer.hang_up(self._connection)
            self._connection = None
        self._queue.extendleft(reversed([*self._again, *self._in_flight]))
        self._again.clear()
        self._held.clear()
        self._in_flight.clear()
        self._back_off(cause)

    def _back_off(self, cause: str) -> None:
        self.stalled = f"commits wait: {cause}"
        self._retry_at = time.monotonic() + self._pause.seconds()


def _text(reply: Reply) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else repr(reply)
