"""What a keeper looks at of threads: which of them hold what their rules let go.

It decides nothing: it asks the partition, through its inbox, where the rules are read again and the thread is cut. One
turn looks at a bounded slice of the threads of one partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from drumline_coordinator.apps import Apps
from drumline_coordinator.pruning import is_over
from drumline_coordinator.troubles import Troubles
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.checkpoint_ids import made_ms
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import RETENTION_REST_MS, RETENTION_SWEEP_MS, RETENTION_THREADS_MAX
from drumline_protocol.messages import NO_ANSWER, PruneThread
from drumline_protocol.retention import Retention, retention_in
from drumline_protocol.threads import BUSY, FAILED, PAUSED, ThreadHead, head_in
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import KeeperVerbs

#: Where nothing bounds the threads of graphs, a round begins so many times less often.
_UNBOUNDED_FACTOR = 10

#: threads that were asked to be cut, and that this remembers
_ASKED_MAX = 100_000


class RetentionSettings(Protocol):
    """What `CoordinatorSettings` says of it."""

    retention: Retention | None
    retention_sweep_ms: int


class RetentionSweep:
    """A part of the keeper's turn. Each coordinator looks at the partitions that it holds."""

    def __init__(self, broker: KeeperVerbs, apps: Apps, settings: RetentionSettings, troubles: Troubles) -> None:
        self._broker = broker
        self._apps = apps
        self._cluster = settings.retention
        self._troubles = troubles
        programs: Mapping[str, object] = apps.programs
        bounded = any(getattr(program, "retention", None) for program in programs.values())
        self._every_ms = settings.retention_sweep_ms * (1 if settings.retention or bounded else _UNBOUNDED_FACTOR)
        self._rest_ms = min(RETENTION_REST_MS, RETENTION_REST_MS * settings.retention_sweep_ms // RETENTION_SWEEP_MS)
        self._due_ms = 0.0
        #: partitions of this round that have not been looked at, and how many threads of the first one have
        self._round: list[int] = []
        self._seen = 0
        #: when the thread had changed that was asked to be cut last
        self._asked: dict[str, int] = {}

    def step(self, held: Sequence[int], now_ms: float) -> None:
        """Look at the next slice, if a round is on, or due. NoBroker."""
        if not self._due_ms:
            self._due_ms = now_ms + self._every_ms
        if not self._round and now_ms >= self._due_ms:
            self._due_ms = now_ms + self._every_ms
            self._round, self._seen = list(held), 0
        while self._round and self._round[0] not in held:
            self._round.pop(0)
            self._seen = 0
        if self._round:
            self._slice(self._round[0], now_ms)

    def _slice(self, p: int, now_ms: float) -> None:
        try:
            found = self._broker.list_threads(p, self._seen, RETENTION_THREADS_MAX)
        except ServerError as error:
            self._troubles.tell(f"threads {p}", f"the threads of partition {p} cannot be looked at: {error}")
            found = []
        self._seen += len(found)
        if len(found) < RETENTION_THREADS_MAX:
            self._round.pop(0)
            self._seen = 0
        for thread, changed_ms in found:
            if now_ms - changed_ms >= self._rest_ms:
                try:
                    self._look(p, thread, now_ms)
                except NoBroker:
                    raise
                except (DrumlineError, ServerError, ValueError) as error:
                    self._troubles.tell(f"thread {thread}", f"thread {thread} cannot be looked at: {error}")

    def _look(self, p: int, thread: str, now_ms: float) -> None:
        head = head_in(self._apps.codec, thread, self._broker.load_thread(p, thread))
        if head is None or head.status == BUSY:
            return
        program = self._apps.programs.get(head.graph)
        rules = retention_in(head.retention) or (None if program is None else program.retention) or self._cluster
        if rules is not None and rules.is_bounded and self._may_hold(p, head, rules, now_ms):
            if len(self._asked) >= _ASKED_MAX:
                self._asked.clear()
            self._asked[thread] = head.updated_ms
            asked = wire.encode(self._apps.codec, PruneThread(NO_ANSWER, thread, {}))
            self._broker.push_inbox(p, NO_ANSWER, asked)

    def _may_hold(self, p: int, head: ThreadHead, rules: Retention, now_ms: float) -> bool:
        """Whether a thread may hold what can go: a look that costs little, and is never wrong with a No."""
        if not head.head:
            return is_over(head, rules, now_ms)
        by_size = rules.max_checkpoints is not None or rules.max_bytes is not None
        if by_size and self._asked.get(head.id) != head.updated_ms:
            return True
        if rules.seconds is None:
            return False
        oldest = self._broker.read_history(p, head.id, count=1)
        if not oldest or now_ms - made_ms(oldest[0].checkpoint) <= rules.seconds * 1000:
            return False
        stays = rules.spares_latest(waits=head.status in (PAUSED, FAILED))
        return not (stays and oldest[0].checkpoint == head.head)
