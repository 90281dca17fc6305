"""One partition: a batch of its inbox goes in, one commit comes out. No IO but the loader that it is given.

Memory here is a cache of what the broker holds: it may be ahead of the last commit that was answered, nobody else can
see that, and when a commit is refused all of it is thrown away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from drumline_coordinator.apps import Apps
from drumline_coordinator.dispatch import Dispatcher
from drumline_coordinator.effects import Effects
from drumline_coordinator.recovery import recover, slot_of
from drumline_coordinator.run import OPEN, Run
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, unbox
from drumline_protocol.errors import PoisonedRun, ProtocolTooNew
from drumline_protocol.facts import (
    Fact,
    RunFinished,
    RunStarted,
    TaskFailed,
    TaskParked,
    fact_count,
)
from drumline_protocol.failure import describe
from drumline_protocol.limits import INBOX_BATCH_ENTRIES_MAX, LOG_TTL_S
from drumline_protocol.messages import Cancel, Refused, RunRequest, RunShared, WorkersChanged
from drumline_protocol.requests import check_request
from drumline_transport.broker import (
    Commit,
    InboxEntry,
    Lease,
    LogAppend,
    LogEntry,
    TaskAppend,
)

log = logging.getLogger("drumline.coordinator")

#: a task that was refused more often than this waits for the keeper's next round: the workers that hold its graph are
#: busy, and to offer it again at once would be answered at once by those that do not
REFUSALS_AT_ONCE = 3

#: ended runs that a partition remembers; more than one batch of the inbox can end
OVER_MAX = 2 * INBOX_BATCH_ENTRIES_MAX


class Loader(Protocol):
    """What a partition reads when an event is for a run that it does not have in memory."""

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]: ...

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]: ...

    def open_runs(self, p: int) -> list[str]: ...


@dataclass(slots=True)
class _Open:
    """An open run in memory: its machine, the number of its next fact, how its tasks are sent."""

    run: Run
    next: int
    dispatcher: Dispatcher
    #: effects that the commit being made must hold
    effects: list[Effects] = field(default_factory=list)


class Partition:
    """The runs of one partition, as long as this process holds its lease."""

    def __init__(
        self,
        lease: Lease,
        apps: Apps,
        loader: Loader,
        *,
        holders: Callable[[str, str], int] = lambda _graph, _fingerprint: 1,
        retry_later: Callable[[int], None] = lambda _index: None,
    ) -> None:
        self.index = lease.partition
        self.lease = lease
        self.position = lease.position
        self.number = lease.commit
        self._apps = apps
        self._codec = apps.codec
        self._loader = loader
        self._holders = holders
        self._retry_later = retry_later
        self._runs: dict[str, _Open] = {}
        #: those of them whose planned tasks wait for the next window; idle runs must cost nothing
        self._more: dict[str, _Open] = {}
        #: runs ended under this lease, whose record may still say otherwise: their commits are on the way
        self._over: dict[str, None] = {}
        self._commit = self._new_commit()

    @property
    def has_more(self) -> bool:
        """Whether planned tasks wait for the next window, so that `handle(())` should be called again."""
        return bool(self._more)

    def handle(self, entries: Sequence[InboxEntry], now_ms: float) -> Commit | None:
        """All that follows from a batch of the inbox. None if nothing is to be committed."""
        self._commit = self._new_commit()
        touched: dict[str, _Open] = {}
        for open_run in list(self._more.values()):
            self._take(open_run, open_run.run.more(now_ms), touched)
        for entry in entries:
            self.position = entry.id
            message = self._decode(entry)
            if message is not None:
                self._message(message, now_ms, touched)
        for open_run in touched.values():
            self._write(open_run, now_ms)
        if not entries and not touched:
            return None
        return self._close_commit()

    def poison(self, entry: InboxEntry, tries: int, now_ms: float) -> Commit | None:
        """Answer an entry that has brought coordinators down: fail its run instead of handling it."""
        self._commit = self._new_commit()
        self.position = entry.id
        message = self._decode(entry)
        run_id = getattr(message, "run", None) or getattr(message, "run_id", None)
        touched: dict[str, _Open] = {}
        if isinstance(message, RunRequest):
            if not self._is_known(message.run_id):
                self._reject(message, PoisonedRun(message.run_id, tries), now_ms)
        elif run_id is not None:
            open_run = self._find(run_id, now_ms)
            if open_run is not None:
                fx = open_run.run.fail(PoisonedRun(run_id, tries), now_ms)
                self._take(open_run, fx, touched)
        for open_run in touched.values():
            self._write(open_run, now_ms)
        return self._close_commit()

    # -- messages ---------------------------------------------------------------------------------

    def _decode(self, entry: InboxEntry) -> Any:
        try:
            return wire.decode(self._codec, entry.data)
        except ProtocolTooNew:
            raise
        except DrumlineError as error:
            log.error("inbox entry %s of partition %d set aside: %s", entry.id, self.index, error)
            return None

    def _message(self, message: Any, now_ms: float, touched: dict[str, _Open]) -> None:
        if isinstance(message, RunRequest):
            self._accept(message, now_ms, touched)
        elif isinstance(message, WorkersChanged):
            for run_id in self._loader.open_runs(self.index):
                if run_id not in self._runs and "parked" not in self._loader.load_run(self.index, run_id):
                    continue  # it need not be recovered for this
                open_run = self._find(run_id, now_ms)
                if open_run is not None:
                    self._take(open_run, open_run.run.handle(message, now_ms), touched)
        else:
            open_run = self._find(message.run, now_ms)
            if open_run is None:
                return
            self._take(open_run, open_run.run.handle(message, now_ms), touched)
            if isinstance(message, Refused):
                shared = open_run.run.shared
                if not self._holders(shared.graph, shared.fingerprint):
                    return  # parked until a worker comes that holds the graph
                task = open_run.run.tasks.get(message.task)
                if task is not None and task.attempt - task.lost > REFUSALS_AT_ONCE:
                    self._retry_later(self.index)
                else:
                    again = open_run.run.handle(WorkersChanged(self.index), now_ms)
                    self._take(open_run, again, touched)

    def _accept(self, request: RunRequest, now_ms: float, touched: dict[str, _Open]) -> None:
        run_id = request.run_id
        if self._is_known(run_id):
            return  # sent twice
        try:
            check_request(request)
            program = self._apps.find(request.graph, request.fingerprint)
        except DrumlineError as error:
            self._reject(request, error, now_ms)
            return
        shared = RunShared(
            run_id,
            request.graph,
            program.fingerprint,
            self.index,
            request.config,
            request.context,
            tuple(request.record),
            request.subgraphs,
            request.is_async,
        )
        box = self._codec.box(wire.to_row(shared))
        run = Run(program, shared, wire=True)
        open_run = _Open(run, 0, Dispatcher(self._codec, run_id, box))
        self._runs[run_id] = open_run
        self._commit.opened.append(run_id)
        self._commit.fields.append(
            (
                run_id,
                {
                    "shared": box.data,
                    "graph": request.graph,
                    "status": "open",
                    "created_ms": int(now_ms),
                },
            )
        )
        self._take(open_run, run.start(request, now_ms), touched)

    def _reject(self, request: RunRequest, error: Exception, now_ms: float) -> None:
        """A run that cannot begin still has a log, of two facts: a client waits for it."""
        config = request.config
        facts: list[Fact] = [
            RunStarted(
                request.run_id,
                request.graph,
                "",
                tuple(request.record),
                {},
                config.get("metadata") or {},
                tuple(config.get("tags") or ()),
                now_ms,
            ),
            RunFinished("failed", describe(error, self._codec), now_ms),
        ]
        commit = self._commit
        data = wire.encode_facts(self._codec, facts)
        commit.logs.append(LogAppend(request.run_id, 1, 2, data))
        commit.fields.append((request.run_id, {"graph": request.graph, "status": "failed", "facts": 2}))
        commit.closed.append((request.run_id, LOG_TTL_S))
        self._remember_over(request.run_id)

    # -- runs in memory ---------------------------------------------------------------------------

    def _is_known(self, run_id: str) -> bool:
        """Whether the run was begun or rejected before."""
        return run_id in self._runs or run_id in self._over or bool(self._loader.load_run(self.index, run_id))

    def _find(self, run_id: str, now_ms: float) -> _Open | None:
        open_run = self._runs.get(run_id)
        return open_run if open_run is not None else self._load(run_id, now_ms)

    def _load(self, run_id: str, now_ms: float) -> _Open | None:
        if run_id in self._over:
            return None
        record = self._loader.load_run(self.index, run_id)
        if record.get("status") != b"open" or "shared" not in record:
            return None
        box = Boxed(record["shared"], self._codec)
        shared = wire.from_row(unbox(box))
        try:
            program = self._apps.find(shared.graph, shared.fingerprint)
        except DrumlineError as error:
            self._end_unserved(run_id, error, now_ms)
            return None
        entries = self._loader.load_log(self.index, run_id)
        facts = (fact for e in entries for fact in wire.decode_facts(self._codec, e.data))
        slots = {name[2:] for name in record if name.startswith("t:")}
        run = recover(program, shared, facts, slots)
        last = int(entries[-1].id.rpartition("-")[2]) if entries else 0
        open_run = _Open(run, last, Dispatcher(self._codec, run_id, box))
        if run.ready:
            self._more[run_id] = open_run
        self._runs[run_id] = open_run
        return open_run

    def _end_unserved(self, run_id: str, error: DrumlineError, now_ms: float) -> None:
        """A run whose graph this coordinator serves no more, or in another version: it ends, and says why."""
        log.error("run %s cannot go on: %s", run_id, error)
        entries = self._loader.load_log(self.index, run_id)
        last = int(entries[-1].id.rpartition("-")[2]) if entries else 0
        end = RunFinished("failed", describe(error, self._codec), now_ms)
        data = wire.encode_facts(self._codec, [end])
        commit = self._commit
        commit.logs.append(LogAppend(run_id, last + 1, last + 1, data))
        commit.fields.append((run_id, {"status": "failed", "facts": last + 1}))
        commit.closed.append((run_id, LOG_TTL_S))
        self._remember_over(run_id)

    def _remember_over(self, run_id: str) -> None:
        self._over[run_id] = None
        if len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]

    # -- the commit -------------------------------------------------------------------------------

    def _new_commit(self) -> Commit:
        lease = self.lease
        return Commit(self.index, lease.nonce, lease.epoch, self.number, self.position)

    def _close_commit(self) -> Commit:
        self.number += 1
        commit = self._commit
        commit.number = self.number
        commit.position = self.position
        return commit

    def _take(self, open_run: _Open, fx: Effects, touched: dict[str, _Open]) -> None:
        open_run.effects.append(fx)
        if fx.more:
            self._more[open_run.run.id] = open_run
        else:
            self._more.pop(open_run.run.id, None)
        touched[open_run.run.id] = open_run

    def _write(self, open_run: _Open, now_ms: float) -> None:
        """Put what follows for one run into the commit. What cannot be encoded fails the run, never the batch."""
        effects, open_run.effects = open_run.effects, []
        try:
            self._stage(open_run, effects)
        except Exception as error:
            run = open_run.run
            log.warning("run %s failed: %s", run.id, error)
            run.status = OPEN
            failed = run.fail(error, now_ms)
            failed.settled = [pair for fx in effects for pair in fx.settled]
            self._stage(open_run, [failed])

    def _stage(self, open_run: _Open, effects: list[Effects]) -> None:
        run, codec = open_run.run, self._codec
        tasks: list[TaskAppend] = []
        blobs: list[tuple[str, bytes, int]] = []
        facts: list[Fact] = []
        for fx in effects:
            facts.extend(fx.facts)
            for task in fx.dispatch:
                data, large = open_run.dispatcher.message(task)
                blobs.extend(large)
                slot = slot_of(task.id, task.attempt)
                tasks.append(TaskAppend(run.id, slot, task.node.pool, data))
        appended = self._log(open_run, facts) if facts else None
        # From here on nothing can fail.
        commit = self._commit
        commit.tasks.extend(tasks)
        commit.blobs.extend(blobs)
        for fx in effects:
            commit.settled.extend((run.id, slot_of(*pair)) for pair in fx.settled)
            commit.withdrawn.extend((run.id, slot_of(*pair)) for pair in fx.withdrawn)
            if fx.cancelled:
                commit.ctl.append(wire.encode(codec, Cancel(run.id, tuple(fx.cancelled))))
        if appended is None:
            return
        commit.logs.append(appended)
        open_run.next = appended.last
        if any(type(fact) is TaskParked for fact in facts):
            commit.fields.append((run.id, {"parked": 1}))
        end = facts[-1]
        if isinstance(end, RunFinished):
            commit.fields.append((run.id, {"status": end.status, "facts": appended.last}))
            commit.closed.append((run.id, LOG_TTL_S))
            commit.blobs.extend(open_run.dispatcher.leftovers())
            self._runs.pop(run.id, None)
            self._more.pop(run.id, None)
            self._remember_over(run.id)

    def _log(self, open_run: _Open, facts: list[Fact]) -> LogAppend:
        for fact in facts:
            if isinstance(fact, (TaskFailed, RunFinished)) and isinstance(fact.error, BaseException):
                fact.error = describe(fact.error, self._codec)
        first = open_run.next + 1
        last = open_run.next + sum(map(fact_count, facts))
        return LogAppend(open_run.run.id, first, last, wire.encode_facts(self._codec, facts))
