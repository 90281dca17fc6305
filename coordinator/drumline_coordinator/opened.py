"""The open runs of a partition: those in memory, and those that are recovered from the broker. No IO but the loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

from drumline_coordinator import named
from drumline_coordinator.apps import Apps
from drumline_coordinator.bounded import Bounded, log_bytes_of, recovered
from drumline_coordinator.dispatch import Dispatcher
from drumline_coordinator.effects import Effects
from drumline_coordinator.heads import bases_in
from drumline_coordinator.recovery import attempt_key, recover
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import OPEN
from drumline_coordinator.thread_loading import ThreadLoader, load_head, place_again
from drumline_coordinator.within import leave, place_within_again
from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, unbox
from drumline_protocol.errors import DamagedRun, DecodeError, NoBroker
from drumline_protocol.facts import Fact, PlanMade, RunFinished, RunKept, RunStarted
from drumline_protocol.heads import entry_numbers, open_head, trimmed_to
from drumline_protocol.ids import token_digest
from drumline_protocol.keys import owner_of_run
from drumline_protocol.limits import IDLE_RUN_MS, INBOX_BATCH_ENTRIES_MAX
from drumline_protocol.messages import AttemptLost
from drumline_protocol.threads import ThreadHead
from drumline_transport.broker import LogEntry
from drumline_transport.errors import ServerError

#: what `OpenRuns.record` returns for a key that is no hash
UNREADABLE: Mapping[str, bytes] = {"status": b"unreadable"}

#: digits of the number of a fact
_DIGITS_MAX = 18

#: How many ended runs a partition remembers: more than one batch of the inbox can end.
OVER_MAX = 2 * INBOX_BATCH_ENTRIES_MAX


class Loader(ThreadLoader, Protocol):
    """What a partition reads when an event is for a run that it does not have in memory."""

    partitions: int

    def load_run(self, p: int, run_id: str) -> dict[str, bytes]: ...

    def load_log(self, p: int, run_id: str, after: str = "-") -> list[LogEntry]: ...

    def waiting_runs(self, p: int) -> list[str]: ...


@dataclass(slots=True)
class OpenRun:
    """An open run in memory: its machine, the number of its last fact, how its tasks are sent."""

    run: Run
    last: int
    dispatcher: Dispatcher
    #: what the tokens of its dispatched attempts hash to, by `attempt_key`
    digests: dict[str, str] = field(default_factory=dict)
    log_bytes: int = 0
    #: the log entry behind which the open superstep of each graph was planned, by namespace
    planned: dict[tuple[str, ...], str] = field(default_factory=dict)
    #: what keeps its log from growing for ever
    bounded: Bounded = field(default_factory=Bounded)
    #: the first fact of its log, for heads
    started: RunStarted | None = None
    #: bytes of log since the last head, and the bytes of that head
    unheaded_bytes: int = 0
    head_bytes: int = 0
    #: which versions the last head, and the marks, need: by cell, that of the lowest base
    head_bases: dict[str, int] = field(default_factory=dict)
    #: cells that nothing but heads needs
    dropped: list[str] = field(default_factory=list)
    #: whether the set of waiting runs holds it; None: not known
    waits: bool | None = False
    #: when something was last heard of it
    heard_ms: float = 0.0
    #: a message for one of its tasks bore no valid token
    doubted: bool = False
    #: effects that the commit being made must hold
    effects: list[Effects] = field(default_factory=list)
    #: the head of the thread that it holds, as of the commit being made; None: it is on none
    thread: ThreadHead | None = None
    #: the head was written since the run is in memory
    told_thread: bool = False
    #: what its record says of `ThreadRun.untold`
    untold: tuple[Any, ...] = ()
    #: nothing of what it has added to its thread is to stay
    takes_back: bool = False
    #: for which try each of its tasks was sent first, and the span in which it was, as text
    sent_in: dict[str, tuple[int, str]] = field(default_factory=dict)

    def events_lie_behind(self) -> str:
        """The log entry behind which all events of tasks that are open now lie; "" if they have none."""
        scopes = self.run.state.scopes
        self.planned = {ns: at for ns, at in self.planned.items() if ns in scopes}
        tasks = self.run.state.tasks.values()
        heard = {task.scope.ns for task in tasks if task.status in OPEN and (task.n or task.attempt > 1)}
        return min((self.planned.get(ns, "0-0") for ns in heard), key=entry_numbers, default="")

    def believes(self, message: Any) -> bool:
        """Whether a worker's message bears the token of the attempt that it speaks for, a keeper's the token's digest.

        Of an attempt that is not open it says yes: the machine drops whatever comes for it.
        """
        digest = self.digests.get(attempt_key(message.task, message.attempt))
        if not digest:
            return True
        return digest == (message.proof if isinstance(message, AttemptLost) else token_digest(message.token))


@dataclass(slots=True)
class Ruin:
    """An open run that cannot go on. Its tasks and large values must vanish from the broker.

    `last` is the number of its last fact, `attempts` are the keys of those that its record names. `readable` is False
    if its keys are of another type: they must go first.
    """

    run_id: str
    graph: str
    error: BaseException
    last: int = 0
    attempts: list[str] = field(default_factory=list)
    readable: bool = True
    #: the thread that it held; "" if none
    thread: str = ""


class OpenRuns:
    """The open runs of a partition."""

    def __init__(self, loader: Loader, apps: Apps, partition: int) -> None:
        self._loader = loader
        self._apps = apps
        self._partition = partition
        self.loaded: dict[str, OpenRun] = {}
        #: those of them whose planned tasks wait for the next window, so that idle runs cost nothing
        self.more: dict[str, OpenRun] = {}
        #: runs that are over under this lease, though their record may still say otherwise, and the numbers of the
        #: commits that end them and may be on the way (0: it is deleted, and its id is free once its record is gone)
        self.over: dict[str, int] = {}

    def is_known(self, run_id: str, answered: int) -> bool:
        """Whether a run of this id was begun or rejected before. Records are true up to commit `answered`."""
        return run_id in self.loaded or self.over.get(run_id, 0) > answered or bool(self.record(run_id))

    def begin(self, run_id: str, open_run: OpenRun) -> None:
        """A run begins that is not known. An earlier run of the same id may have been deleted, or have expired."""
        self.loaded[run_id] = open_run
        self.over.pop(run_id, None)

    def record(self, run_id: str) -> Mapping[str, bytes]:
        """The run's record; empty if there is none, `UNREADABLE` if there is something else in its place."""
        try:
            return self._loader.load_run(self._partition, run_id)
        except ServerError:
            return UNREADABLE

    def find(self, run_id: str) -> OpenRun | Ruin | None:
        """The open run; None if there is none, or if it has ended. Raises NoBroker."""
        open_run = self.loaded.get(run_id)
        if open_run is not None or run_id in self.over:
            return open_run
        record = self.record(run_id)
        if record is UNREADABLE:
            return self.ruin(run_id, DamagedRun(run_id, "its record is a key of another type"))
        if not record or record.get("status", b"open") != b"open":
            return None
        try:
            found = self._recover(run_id, record)
        except NoBroker:
            raise
        except DamagedRun as error:
            return self.ruin(run_id, error)
        except (DecodeError, ServerError) as error:
            return self.ruin(run_id, DamagedRun(run_id, str(error)))
        except DrumlineError as error:  # its graph is not served any more, or in another version
            return self.ruin(run_id, error)
        except Exception as error:  # facts that do not fit each other
            reason = f"its log cannot be folded: {type(error).__name__}: {error}"
            return self.ruin(run_id, DamagedRun(run_id, reason))
        self.loaded[run_id] = found
        if found.run.state.ready:
            self.more[run_id] = found
        return found

    def is_damaged(self, run_id: str) -> bool:
        """Whether the record or the log of an open run is not what it should be, or a part of it is gone."""
        record = self.record(run_id)
        try:
            entries = self._loader.load_log(self._partition, run_id)
        except ServerError:
            return True
        ascending = all(b.first == last_fact(a) + 1 for a, b in pairwise(entries))
        whole = bool(entries) and entries[0].first <= trimmed_to(record) + 1
        return "shared" not in record or not whole or not ascending

    def ruin(self, run_id: str, error: BaseException) -> Ruin:
        """What the record and the log have of a run that must end with `error`. Its facts are not decoded.

        Of a run in memory it counts too what commits add to both that are on their way.
        """
        record, here = self.record(run_id), self.loaded.get(run_id)
        sent = () if here is None else here.digests
        ruin = Ruin(
            run_id,
            record.get("graph", b"").decode("utf-8", "replace"),
            error,
            attempts=sorted({name[2:] for name in record if name.startswith("t:")}.union(sent)),
            readable=record is not UNREADABLE,
            thread=record.get("thread", b"").decode("utf-8", "replace"),
        )
        try:
            entries = self._loader.load_log(self._partition, run_id)
            ruin.last = max(map(last_fact, entries), default=0)
            if here is not None and entries:
                ruin.last = max(ruin.last, here.last)
            if entries and not record:
                ruin.readable = False  # whoever wrote this log, its run has not begun: nothing may be added to it
        except ServerError:
            ruin.readable = False
        return ruin

    def rest(self, now_ms: float) -> None:
        """Drop runs from memory that were not heard of for `IDLE_RUN_MS`. All their decisions must be stored."""
        before = now_ms - IDLE_RUN_MS
        for run_id in [run_id for run_id, run in self.loaded.items() if run.heard_ms < before]:
            if run_id not in self.more:
                del self.loaded[run_id]

    def forget(self, run_id: str, number: int) -> None:
        """The run is over with commit `number`. What its machine still wanted is dropped."""
        self.more.pop(run_id, None)
        open_run = self.loaded.pop(run_id, None)
        if open_run is not None:
            open_run.effects.clear()
        self.over.pop(run_id, None)  # the latest stands last
        self.over[run_id] = number
        if len(self.over) > OVER_MAX:
            del self.over[next(iter(self.over))]

    def _recover(self, run_id: str, record: Mapping[str, bytes]) -> OpenRun:
        codec = self._apps.codec
        if "shared" not in record:
            raise DamagedRun(run_id, "its record does not hold what its tasks share")
        box = Boxed(record["shared"], codec)
        shared = wire.from_row(unbox(box))
        program = self._apps.find(shared.graph, shared.fingerprint)
        own = self._apps.codec_of(shared.graph)
        if own is not codec:
            codec, box = own, Boxed(box.data, own)
            shared = wire.from_row(unbox(box))
        head = record.get("head", b"")
        at = record.get("head_at", b"").decode("ascii", "replace") if head else ""
        facts: list[Fact] = wire.decode_facts(codec, head) if head else []
        last, size = (last_fact_of(at) if head else 0), 0
        bases = bases_in(facts)
        behind = next((fact.since for fact in facts[:2] if type(fact) is RunKept), "") or (at or "0-0")
        planned: dict[tuple[str, ...], str] = {}
        for entry in self._entries_behind(run_id, at):
            if entry.first != last + 1:
                raise DamagedRun(run_id, f"facts {last + 1} to {entry.first - 1} of its log are missing")
            found = wire.decode_facts(codec, entry.data)
            planned.update(
                (fact.ns, f"{entry.id.partition('-')[0]}-{last}") for fact in found if type(fact) is PlanMade
            )
            facts.extend(found)
            last = last_fact(entry)
            size += len(entry.data)
        if not facts:
            raise DamagedRun(run_id, "its log is gone")
        owner = owner_of_run(run_id, shared.thread)
        open_head(codec, owner, facts, lambda cells: self._loader.read_values(self._partition, cells, [])[0])
        before = log_bytes_of(facts[:2])
        started = facts[0] if type(facts[0]) is RunStarted else None
        named.open_facts(codec, facts, self._read_blobs)
        attempts = {name[2:] for name in record if name.startswith("t:")}
        thread = head_ = None
        if shared.thread:
            head_ = load_head(self._loader, codec, self._partition, shared.thread)
            if head_.run != run_id:
                raise DamagedRun(run_id, f"its thread {shared.thread!r} is gone, or held by run {head_.run!r}")
            thread = place_again(self._loader, codec, self._partition, head_, program, shared, record)
        elif "below" in record:
            thread = place_within_again(codec, program, shared, record)
        run = recover(program, shared, facts, attempts, codec, thread)
        dispatcher = Dispatcher(codec, box)
        digests = {name[2:]: value.decode("ascii", "replace") for name, value in record.items() if name[:2] == "k:"}
        bounded = recovered(codec, run_id, record, last)
        return OpenRun(
            run,
            last,
            dispatcher,
            digests,
            before + size,
            planned=dict.fromkeys(run.state.scopes, behind) | planned,
            bounded=bounded,
            started=started,
            unheaded_bytes=size,
            head_bytes=len(head),
            head_bases=bounded.bases(bases),
            waits=None,
            thread=head_,
            untold=() if thread is None else thread.untold,
        )

    def _entries_behind(self, run_id: str, at: str) -> list[LogEntry]:
        """The entries of a log behind the one at which its head was made; all of them if it has none.

        The head's own entry must be there: without it the run would go back to its head, and do again what it has done.
        DamagedRun, DecodeError, NoBroker.
        """
        if not at:
            return self._loader.load_log(self._partition, run_id)
        number, epoch = last_fact_of(at), at.partition("-")[0]
        entries = self._loader.load_log(self._partition, run_id, f"{epoch}-{number - 1}")
        if not entries or entries[0].id != at:
            raise DamagedRun(run_id, f"fact {number} of its log, at which its head was made, is missing")
        return entries[1:]

    def read_named(self, open_run: OpenRun, message: Any) -> None:
        """Give a task's answer the large values that it names and that the machine needs. Raises NoBroker."""
        named.open_answer(open_run.dispatcher.codec, open_run.run.state, message, self._read_blobs)

    def leave(self, open_run: OpenRun, effects: Sequence[Effects]) -> None:
        """A run that a task waits for tells with its last fact what it goes on from. Raises as `within.leave`."""
        thread, facts = open_run.run.thread, effects[-1].facts if effects else ()
        if thread is not None and thread.within and facts and type(facts[-1]) is RunFinished:
            leave(open_run.run, facts[-1], partial(self._loader.read_values, self._partition))

    def _read_blobs(self, blobs: list[str]) -> list[bytes | None]:
        return self._loader.read_values(self._partition, [], blobs)[1]


def last_fact(entry: LogEntry) -> int:
    """The number of the last fact in an entry of a log."""
    return last_fact_of(entry.id)


def last_fact_of(id_: str) -> int:
    """The number of the last fact of the log entry that has this id. DecodeError if it is no such id."""
    number = id_.rpartition("-")[2]
    if not number.isdigit() or len(number) > _DIGITS_MAX:
        raise DecodeError(f"{id_!r} is no id of a log entry")
    return int(number)
