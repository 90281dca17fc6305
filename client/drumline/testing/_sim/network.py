"""The broker as a process of the simulated cluster sees it: calls that may be its last, commits that take their time.

`SimServer` is the double with an observer at its commits. `SimBroker` is one process's side of it: between
`send_commit` and the server lies a wire, where commits wait until the simulator delivers them; what a process had
written when it died may still arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from drumline_protocol.limits import POISON_TRIES_MAX
from drumline_transport.broker import Commit, CommitReply, InboxEntry, Position
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_transport.memory_streams import EntryId, TaskStream


class Crash(BaseException):
    """The process ends here: nothing of it may catch this."""


@dataclass(slots=True)
class Sent:
    """A commit on its way, and the machines of its runs as they were when it was made."""

    commit: Commit
    images: dict[str, Any]
    #: its number among all commits that hold facts, from 1; 0 if it holds none
    ordinal: int = 0


class SimServer(MemoryServer):
    """The double; `observe(sent, reply)` hears of every commit that came to it."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self.observe: Callable[[Sent, CommitReply], None] = lambda _sent, _reply: None
        #: commits of facts so far
        self.numbered = 0

    def number(self, commit: Commit) -> int:
        """The ordinal of a commit that is sent for the first time."""
        if not commit.logs:
            return 0
        self.numbered += 1
        return self.numbered

    def forget_deliveries(self, tasks: TaskStream, since: EntryId) -> None:
        """Lose what was noted of deliveries from this entry on: those entries are delivered again, to anybody."""
        tasks.delivered = (since[0], since[1] - 1)
        tasks.pending = {at: row for at, row in tasks.pending.items() if at < since}

    def take_in(self, sent: Sent) -> CommitReply:
        """Apply a commit that arrived."""
        reply = self.commit(sent.commit)
        self.observe(sent, reply)
        return reply


class SimBroker:
    """All verbs, for one process.

    `fuse` is the number of calls that the process still makes before it crashes (None: it does not). `poison` holds the
    runs whose request kills who looks at it, unless he was warned by the count of tries. `loses_reply` is asked at each
    delivered commit, `crash_at` at each commit that is sent; `imagine` takes the images of a commit's runs.
    """

    def __init__(
        self, server: SimServer, loses_reply: Callable[[Sent], bool], imagine: Callable[[Commit], dict[str, Any]]
    ) -> None:
        self._server = server
        self._inner = MemoryBroker(server)
        self._loses_reply = loses_reply
        self._imagine = imagine
        self.crash_at: Callable[[Sent], Literal["no", "before", "behind"]] = lambda _sent: "no"
        self.partitions = self._inner.partitions
        self.fuse: int | None = None
        self.poison: frozenset[str] = frozenset()
        self._tries = 0
        #: commits without a reply that was read; the first `_arrived` of them are at the server
        self._unanswered: deque[Sent] = deque()
        self._arrived = 0
        self._replies: list[CommitReply] = []
        self._stale_read: tuple[dict[int, Position], list[InboxEntry]] | None = None
        self.stalled = ""

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)

        def call(*args: Any) -> Any:
            self._burn()
            return verb(*args)

        self.__dict__[name] = call
        return call

    def _burn(self) -> None:
        if self.fuse is not None:
            if self.fuse == 0:
                raise Crash
            self.fuse -= 1

    def note_try(self, p: int, nonce: str, epoch: int, entry: str) -> int:
        self._burn()
        self._tries = self._inner.note_try(p, nonce, epoch, entry)
        return self._tries

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]:
        self._burn()
        if run_id in self.poison and self._tries < POISON_TRIES_MAX:
            raise Crash
        return self._inner.load_run(p, run_id)

    # -- reading ----------------------------------------------------------------------------------

    def read_ahead(self, after: dict[int, Position]) -> None:
        """The process is stopped when its read has just come back: it will handle these entries late."""
        self._stale_read = (dict(after), self._inner.read_inbox(after, 500, 0))

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:
        self._burn()
        self._tries = 0
        stale, self._stale_read = self._stale_read, None
        if stale is not None and stale[0] == after:
            return stale[1]
        return self._inner.read_inbox(after, count, block_ms)

    # -- commits ----------------------------------------------------------------------------------

    def send_commit(self, commit: Commit) -> None:
        self._burn()
        sent = Sent(commit, self._imagine(commit), self._server.number(commit))
        crash = self.crash_at(sent)
        if crash == "before":
            raise Crash
        self._unanswered.append(sent)
        if crash == "behind":
            while self.in_flight:
                self._server.take_in(self._unanswered[self._arrived])
                self._arrived += 1
            raise Crash

    @property
    def in_flight(self) -> int:
        """Commits that did not arrive yet."""
        return len(self._unanswered) - self._arrived

    @property
    def outstanding(self) -> int:
        return len(self._unanswered)

    @property
    def has_replies(self) -> bool:
        return bool(self._replies)

    def deliver(self) -> str:
        """The oldest commit on the wire arrives; its reply comes back, or the connection is lost with it."""
        sent = self._unanswered[self._arrived]
        reply = self._server.take_in(sent)
        if self._loses_reply(sent):
            lost = self._arrived + 1
            self._arrived = 0
            self._replies.clear()
            return f"{_name(sent.commit)} {reply.status}; connection lost, {lost} sent again"
        self._arrived += 1
        self._replies.append(reply)
        return f"{_name(sent.commit)} {reply.status} {reply.detail}"

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        self._burn()
        if block_ms:
            while self._unanswered and not self._replies:
                self.deliver()
        replies, self._replies = self._replies, []
        for _ in replies:
            self._unanswered.popleft()
            self._arrived -= 1
        return replies

    def abandon(self, arriving: int) -> deque[Sent]:
        """The process is dead: the commits on the wire that still arrive, at most `arriving`."""
        on_the_wire = list(self._unanswered)[self._arrived :]
        return deque(on_the_wire[:arriving])


def _name(commit: Commit) -> str:
    facts = " ".join(f"{log.run_id[:4]}:{log.first}-{log.last}" for log in commit.logs)
    return f"commit {commit.partition}/{commit.epoch % 1_000_000}/{commit.number} [{facts}]"
