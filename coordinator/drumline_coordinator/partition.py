"""One partition: a batch of its inbox goes in, one commit comes out. No IO but the loader that it is given.

Memory here is a cache of what the broker holds. It may be ahead of the last commit that was answered, which nobody else
can see. When a commit is refused, all of it is thrown away.

An entry is bytes from outside. One that cannot be read is set aside into the dead stream, with its reason. One that
cannot be handled costs its run as well. In either case the position moves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from drumline_coordinator.apps import Apps
from drumline_coordinator.dispatch import NewToken
from drumline_coordinator.effects import Effects
from drumline_coordinator.ends import Ends
from drumline_coordinator.metering import Spans, Told
from drumline_coordinator.opened import Loader, OpenRun, OpenRuns
from drumline_coordinator.staging import Stage
from drumline_coordinator.thread_desk import ThreadDesk
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import unbox
from drumline_protocol.errors import (
    DecodeError,
    InvalidRequest,
    NoBroker,
    NoCoordinator,
    PoisonedRun,
    ProtocolTooNew,
    RunCancelled,
    WireError,
)
from drumline_protocol.limits import (
    ACCEPT_TIMEOUT_MS,
    DISPATCH_WINDOW_ENTRIES_MAX,
    IDLE_RUN_MS,
    NAME_CHARS_MAX,
    RUN_LOG_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from drumline_protocol.messages import (
    AttemptLost,
    CancelRun,
    DeleteRun,
    DeleteThread,
    DescribeThread,
    DrainRun,
    Events,
    PruneThread,
    Refused,
    RunDamaged,
    RunRequest,
    TaskBubbled,
    TaskCall,
    TaskError,
    TaskInterrupt,
    TaskResult,
    ThreadSaves,
    TimerDue,
    WorkersChanged,
)
from drumline_protocol.new_ids import new_token
from drumline_protocol.requests import check_request
from drumline_protocol.retention import Retention
from drumline_transport.broker import REQUESTS, Commit, InboxEntry, Lease

log = logging.getLogger("drumline.coordinator")

#: a task that was refused more often than this waits for the keeper's next round: offering it again now would only
#: reach workers that lack its graph
REFUSALS_AT_ONCE = 3

#: messages that bear the token of the attempt that they speak for, or a proof in place of it
_OF_ATTEMPTS = (Events, TaskResult, TaskError, TaskBubbled, TaskInterrupt, TaskCall, Refused, AttemptLost)

#: Messages that clients may send. Clients can read run records, and so the proofs of keepers.
_OF_CLIENTS = (RunRequest, CancelRun, DrainRun, DeleteRun, ThreadSaves, DeleteThread, PruneThread, DescribeThread)


class Partition(Ends):
    """The runs of one partition, as long as this process holds its lease."""

    def __init__(
        self,
        lease: Lease,
        apps: Apps,
        loader: Loader,
        *,
        holders: Callable[[str, str], int] = lambda _graph, _fingerprint: 1,
        retry_later: Callable[[int], None] = lambda _index: None,
        token: NewToken = new_token,
        log_bytes_max: int = RUN_LOG_BYTES_MAX,
        retention: Retention | None = None,
        is_counted: bool = False,
        spans: Spans | None = None,
    ) -> None:
        self.index = lease.partition
        self.lease = lease
        self.position = lease.position
        self.number = lease.commit
        #: whether a commit was applied under this lease
        self.progressed = False
        #: number of the last commit that the broker has answered
        self.answered = lease.commit
        self._apps = apps
        self._codec = apps.codec
        self._loader = loader
        self._runs = OpenRuns(loader, apps, lease.partition)
        self._threads = ThreadDesk(loader, apps.codec, lease.partition, lease.epoch)
        self._holders = holders
        self._retry_later = retry_later
        self._token = token
        self._log_bytes_max = log_bytes_max
        self._retention = retention
        self._is_counted = is_counted
        self._spans = spans
        #: runs whose keys had to be deleted first; the next commit says why they failed
        self._epilogue: dict[str, BaseException] = {}
        self._touched: dict[str, OpenRun] = {}
        self._rests_ms = 0.0
        self._now_ms = 0.0
        self._stage = self._new_stage()

    @property
    def has_more(self) -> bool:
        """Whether something waits for the next commit, so that `handle(())` should be called again."""
        self._threads.settle(self.answered)
        return bool(self._runs.more or self._epilogue or self._threads.has_due)

    @property
    def told(self) -> Told | None:
        """What the last commit tells, for who counts."""
        return self._stage.told

    @property
    def is_unsettled(self) -> bool:
        """Whether a thread is free once the broker has answered a commit that was sent."""
        return self._threads.is_unsettled

    @property
    def awaits_reply(self) -> bool:
        """Whether what comes next waits for the broker's answer to a commit."""
        return self._threads.awaits_reply

    def handle(self, entries: Sequence[InboxEntry], now_ms: float) -> Commit | None:
        """The commit that follows from a batch of the inbox; None if there is nothing to commit. Raises NoBroker."""
        self._turn(now_ms)
        epilogue, self._epilogue = self._epilogue, {}
        for run_id, error in epilogue.items():
            self._reject(run_id, "", error)
        self._open_windows()
        self._threads.settle(self.answered)
        self._threads.read_queue()
        pruned = self._prune_postponed()
        begun = self._begin_waiting()
        told = [(entry, self._decode(entry)) for entry in entries]
        given_up = {message.run for _, message in told if isinstance(message, CancelRun)}
        for entry, message in told:
            self.position = entry.behind(self.position)
            if message is not None:
                self._guarded(entry, message, given_up)
        if not (entries or self._touched or epilogue or begun or pruned):
            return None
        return self._close_commit()

    def rest(self, now_ms: float) -> None:
        """Drop idle runs from memory, now and again; never while commits are on their way, since it is ahead then."""
        if self.answered == self.number and now_ms >= self._rests_ms:
            self._rests_ms = now_ms + IDLE_RUN_MS / 4
            self._runs.rest(now_ms)

    def _open_windows(self) -> None:
        """Send what waited for this commit. What has waited longest comes first, and one window is enough."""
        sent = 0
        for run_id, open_run in list(self._runs.more.items()):
            del self._runs.more[run_id]
            fx = open_run.run.more(self._now_ms)
            self._add_effects(open_run, fx)
            sent += len(fx.dispatch)
            if sent >= DISPATCH_WINDOW_ENTRIES_MAX:
                return

    def poison(self, entry: InboxEntry, tries: int, now_ms: float) -> Commit:
        """Answer an entry that has brought coordinators down: set it aside unread, and end its run as it stands."""
        self._turn(now_ms)
        self.position = entry.behind(self.position)
        self._set_aside(entry, f"it has brought its coordinator down {tries} times")
        if entry.run:
            self._end_unread(entry.run, PoisonedRun(entry.run, tries))
        return self._close_commit()

    # -- entries ------------------------------------------------------------------------------------

    def _decode(self, entry: InboxEntry) -> Any:
        """The message in an entry; None if it is set aside."""
        try:
            if len(entry.data) > VALUE_BYTES_MAX:
                raise DecodeError(f"the limit of an entry is {VALUE_BYTES_MAX} bytes", len(entry.data))
            message = wire.decode(self._codec, entry.data)
            named = getattr(message, "run", None) or getattr(message, "run_id", "")
            if named != entry.run:
                raise DecodeError(f"it is of run {named!r}, and lies here as one of run {entry.run!r}", len(entry.data))
            if entry.source == REQUESTS and not isinstance(message, _OF_CLIENTS):
                raise DecodeError(f"a client may not say {type(message).__name__}", len(entry.data))
            return message
        except WireError as error:
            self._set_aside(entry, str(error))
            if entry.source == REQUESTS and entry.run:
                self._refuse_unread(entry.run, error)
        return None

    def _refuse_unread(self, run_id: str, error: WireError) -> None:
        """Answer a client's request that nobody here can read. If it asked for a run, the client waits for that."""
        if len(run_id) > NAME_CHARS_MAX or self._runs.is_known(run_id, self.answered):
            return
        reason = f"it cannot be read: {error}"
        if isinstance(error, ProtocolTooNew):
            reason = (
                f"its client speaks protocol version {error.found} and this cluster {error.spoken}: upgrade the "
                "coordinators and workers first, or use an older client"
            )
        self._reject(run_id, "", InvalidRequest(reason))

    def _guarded(self, entry: InboxEntry, message: Any, given_up: set[str]) -> None:
        """Handle a message. Whatever goes wrong costs its run, and nobody else."""
        try:
            self._message(entry, message, given_up)
        except NoBroker:
            raise
        except Exception as error:
            log.exception("an entry of run %s cannot be handled", entry.run)
            self._set_aside(entry, f"{type(error).__name__}: {error}")
            open_run = self._runs.loaded.get(entry.run)
            if open_run is not None:
                self._add_effects(open_run, open_run.run.fail(error, self._now_ms))

    def _set_aside(self, entry: InboxEntry, reason: str) -> None:
        if not self._stage.commit.dead:  # one line a commit: whoever floods an inbox must not flood the log too
            log.error(
                "entry %s of partition %d is set aside (see `drumline dead list`): %s", entry.name, self.index, reason
            )
        self._stage.set_aside(entry.source, entry.id, entry.run, reason, entry.data)

    def _message(self, entry: InboxEntry, message: Any, given_up: set[str]) -> None:
        if isinstance(message, RunRequest):
            self._accept(entry, message, given_up)
            self._stage.hear(entry, message)
        elif isinstance(message, WorkersChanged):
            self._offer_waiting(message)
        elif isinstance(message, DeleteRun):
            self._delete(message.run)
        elif isinstance(message, RunDamaged):
            self._on_damaged(message)
        elif isinstance(message, (ThreadSaves, DeleteThread)):
            self._from_outside(message)
        elif isinstance(message, PruneThread):
            self._on_prune(message)
        elif isinstance(message, DescribeThread):
            self._describe(message)
        elif isinstance(message, CancelRun) and self._threads.waits(message.run):
            self._leave_queue(message.run, RunCancelled(message.run, message.reason))
        elif isinstance(message, TimerDue) and self._on_alarm(message):
            self._stage.hear(entry, message)
        else:
            if self._apps.apart and (found := self._find(message.run)):
                message = self._apps.as_of(found.run.shared.graph, message, entry.data)
            self._on_event(message)
            self._stage.hear(entry, message)

    def _on_event(self, message: Any) -> None:
        open_run = self._find(message.run)
        if open_run is None:
            return
        if isinstance(message, _OF_ATTEMPTS) and not open_run.believes(message):
            if not open_run.doubted:  # logged once a run, so that a forger cannot fill the log
                open_run.doubted = True
                log.warning("run %s: a message for one of its tasks bears no valid token, and is dropped", message.run)
            return
        if isinstance(message, CancelRun) and message.takes_back:
            open_run.takes_back = True
        self._runs.read_named(open_run, message)
        self._add_effects(open_run, open_run.run.handle(message, self._now_ms))
        if isinstance(message, Refused):
            shared = open_run.run.shared
            if not self._holders(shared.graph, shared.fingerprint):
                return  # parked until a worker comes that holds the graph
            task = open_run.run.state.tasks.get(message.task)
            if task is not None and task.attempt - task.lost > REFUSALS_AT_ONCE:
                self._retry_later(self.index)
            else:
                again = open_run.run.handle(WorkersChanged(self.index), self._now_ms)
                self._add_effects(open_run, again)

    def _offer_waiting(self, message: WorkersChanged) -> None:
        """Offer parked tasks again: a worker came. A new owner is told so too, and finds what waited for a window."""
        here = {run_id for run_id, open_run in self._runs.loaded.items() if open_run.run.state.waits}
        # What waits since a commit that is on its way is not in the set yet.
        for run_id in sorted(here.union(self._loader.waiting_runs(self.index))):
            open_run = self._find(run_id)
            if open_run is not None:
                self._add_effects(open_run, open_run.run.handle(message, self._now_ms))

    # -- beginnings and ends ------------------------------------------------------------------------

    def _accept(self, entry: InboxEntry, request: RunRequest, given_up: set[str]) -> None:
        run_id = request.run_id
        if self._runs.is_known(run_id, self.answered) or self._threads.waits(run_id):
            return  # it was sent twice; else its sender sees by the run's first fact that the id is taken
        try:
            check_request(request)
        except DrumlineError as error:
            self._reject(run_id, "", error)
            return
        try:
            if run_id in given_up:
                raise RunCancelled(run_id, "its client gave up before anybody had begun it")
            if int(entry.id.partition("-")[0]) + ACCEPT_TIMEOUT_MS < self.lease.epoch:
                raise NoCoordinator(ACCEPT_TIMEOUT_MS / 1000)  # so its client was told when it gave up
            # From here on the graph has the name under which coordinators and workers know it.
            name = self._apps.served_name(request.graph, request.fingerprint)
            program, codec = self._apps.find(name), self._apps.codec_of(name)
            request = self._apps.as_of(name, request, entry.data)
            request.graph, request.input = name, unbox(request.input)
        except DrumlineError as error:
            status = "cancelled" if isinstance(error, RunCancelled) else "failed"
            self._reject(run_id, request.graph, error, request, status)
            return
        if request.after_ms:
            self._put_off(name, program, request, entry.data)
        else:
            self._begin(name, program, codec, request, entry.data)

    # -- the commit ---------------------------------------------------------------------------------

    def _turn(self, now_ms: float) -> None:
        self._now_ms = now_ms
        self._touched = {}
        self._stage = self._new_stage()

    def _new_stage(self) -> Stage:
        lease = self.lease
        commit = Commit(self.index, lease.nonce, lease.epoch, self.number, self.position)
        told = Told() if self._is_counted else None
        rest = (self._token, self._log_bytes_max, told, self._spans)
        return Stage(commit, self._codec, self._now_ms, *rest)

    def _add_effects(self, open_run: OpenRun, fx: Effects) -> None:
        open_run.effects.append(fx)
        open_run.heard_ms = self._now_ms
        self._touched[open_run.run.id] = open_run

    def _close_commit(self) -> Commit:
        for open_run in list(self._touched.values()):
            self._write(open_run)
        self.number += 1
        commit = self._stage.commit
        commit.number, commit.position = self.number, self.position
        return commit

    def _write(self, open_run: OpenRun) -> None:
        """Put what follows for one run into the commit. What cannot be encoded fails the run, never the batch."""
        effects, open_run.effects = open_run.effects, []
        run_id = open_run.run.id
        try:
            self._runs.leave(open_run, effects)
            over = self._stage.run(open_run, effects)
        except NoBroker:
            raise
        except BaseException as error:  # of an encoder that the user registered, too
            log.warning("run %s failed: %s: %s", run_id, type(error).__name__, error)
            self._end_unwritten(open_run, effects[0].facts, error)
            return
        if over:
            self._forget(run_id)
        elif any(fx.more for fx in effects):
            self._runs.more[run_id] = open_run
