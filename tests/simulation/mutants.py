"""Bugs to put into the services on purpose: a simulator that does not find them is worth nothing.

Each is a context manager that patches one rule away while it is open.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from drumline.testing._sim.network import SimServer
from drumline.views.graphs import OpenTask
from drumline_coordinator import attempts, cells, heads, opened, recovery, run, staging
from drumline_coordinator.cells import NewVersion
from drumline_coordinator.fold import fold
from drumline_coordinator.keeper import Keeper
from drumline_coordinator.machine import Machine
from drumline_coordinator.opened import OpenRuns
from drumline_coordinator.partition import Partition
from drumline_coordinator.recovery import attempt_key
from drumline_coordinator.run import Run
from drumline_coordinator.sweep import Sweep
from drumline_coordinator.tasks import DONE, RUNNING
from drumline_protocol import wire
from drumline_protocol.cells import NO_PARENT, CellAt
from drumline_protocol.facts import Emitted
from drumline_protocol.messages import Events
from drumline_transport.broker import Commit, CommitReply
from drumline_transport.memory import MemoryServer
from drumline_worker import origins
from drumline_worker.origins import Origins

from .faults import Faults


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    kept = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def fence_ignored() -> AbstractContextManager[None]:
    """A commit is applied whoever sends it, in whatever epoch."""
    genuine = MemoryServer.commit

    def commit(self: SimServer, commit: Commit) -> CommitReply:
        lease = self.partition(commit.partition).lease
        owner, epoch = lease.owner, lease.epoch
        lease.owner, lease.epoch, lease.commit = commit.nonce, commit.epoch, commit.number - 1
        reply = genuine(self, commit)
        lease.owner, lease.epoch = owner, epoch
        return reply

    return patched(MemoryServer, "commit", commit)


def numbers_ignored() -> AbstractContextManager[None]:
    """The owner's commits are applied in whatever order, and as often as they come."""
    genuine = MemoryServer.commit

    def commit(self: SimServer, commit: Commit) -> CommitReply:
        self.partition(commit.partition).lease.commit = commit.number - 1
        return genuine(self, commit)

    return patched(MemoryServer, "commit", commit)


def _bound_without(attempt: bool = False, executor: bool = False, status: bool = False) -> Any:
    def sent_attempt(machine: Machine, event: Any) -> Any:
        task = machine.state.tasks.get(event.task)
        if task is None or not (task.status is RUNNING or (status and task.status is DONE)):
            return None
        return task if attempt or task.attempt == event.attempt else None

    @contextmanager
    def both() -> Iterator[None]:
        heard = (lambda _task, _executor: True) if executor else attempts.is_heard
        with patched(attempts, "sent_attempt", sent_attempt), patched(attempts, "is_heard", heard):
            yield

    return both()


def attempts_not_compared() -> AbstractContextManager[None]:
    """What a zombie of an earlier attempt says is taken for the new one's."""
    return _bound_without(attempt=True, executor=True)


def executors_not_compared() -> AbstractContextManager[None]:
    """Two workers with one attempt are both believed."""
    return _bound_without(executor=True)


def first_result_does_not_win() -> AbstractContextManager[None]:
    """A second result of a task counts as well."""
    return _bound_without(status=True)


def events_not_deduplicated() -> AbstractContextManager[None]:
    """Events that come twice are told twice."""

    def on_events(machine: Machine, event: Any) -> None:
        task = attempts.sent_attempt(machine, event)
        if task is not None and attempts.is_heard(task, event.executor):
            machine.emit(Emitted(task.id, task.attempt, event.n, event.executor, event.items))

    return patched(run, "_HANDLERS", run._HANDLERS | {Events: on_events})


def repeats_shown() -> AbstractContextManager[None]:
    """The view tells a retracted attempt's events again."""
    return patched(OpenTask, "repeats", lambda _self, _raw: False)


def recovery_forgets_events() -> AbstractContextManager[None]:
    """A new owner does not know how many events were heard."""
    return patched(recovery, "fold", lambda state, fact: None if type(fact) is Emitted else fold(state, fact))


def recovery_sends_again() -> AbstractContextManager[None]:
    """A new owner sends every open task again, whether it has an entry or not."""
    genuine = recovery.recover

    def recover(program: Any, shared: Any, facts: Any, _attempts: Any) -> Run:
        return genuine(program, shared, facts, ())

    return patched(opened, "recover", recover)


def ended_runs_forgotten() -> AbstractContextManager[None]:
    """A run whose last commit is on its way is loaded again, as it was before."""
    genuine = OpenRuns.forget

    def forget(self: OpenRuns, run_id: str, number: int) -> None:
        genuine(self, run_id, number)
        self.over.pop(run_id)

    return patched(OpenRuns, "forget", forget)


def leftovers_stay() -> AbstractContextManager[None]:
    """Entries that no record names are reported for ever instead of dropped."""
    genuine = Sweep._report

    def report(self: Sweep, task: Any, _record: Any) -> None:
        key = attempt_key(task.message.task, task.message.attempt)
        genuine(self, task, {f"t:{key}": f"{task.pool} {task.entry.id}".encode()})

    return patched(Sweep, "_report", report)


def newcomers_not_told() -> AbstractContextManager[None]:
    """Nobody tries parked tasks again when a worker comes."""
    return patched(Keeper, "_tell_of_workers", lambda _self, _index: None)


def junk_ends_the_batch() -> AbstractContextManager[None]:
    """An entry that cannot be read is no business of its own: it takes its batch with it, for ever."""

    def decode(self: Partition, entry: Any) -> Any:
        return wire.decode(self._codec, entry.data)

    return patched(Partition, "_decode", decode)


def gaps_not_noticed() -> AbstractContextManager[None]:
    """Events that are missing between two that came are not missed."""

    def on_events(machine: Machine, event: Any) -> None:
        task = attempts.sent_attempt(machine, event)
        if task is not None and attempts.is_heard(task, event.executor) and event.items:
            items = event.items[max(0, task.n - event.n) :]
            if items:
                machine.emit(Emitted(task.id, task.attempt, task.n, event.executor, items))

    return patched(run, "_HANDLERS", run._HANDLERS | {Events: on_events})


def counts_not_compared() -> AbstractContextManager[None]:
    """A result is taken whatever it says of the events before it."""
    genuine = attempts._answered

    def answered(machine: Machine, event: Any) -> Any:
        if hasattr(event, "events"):
            event.events = -1
        return genuine(machine, event)

    return patched(attempts, "_answered", answered)


def lost_tasks_not_looked_for() -> AbstractContextManager[None]:
    """Nobody compares run records with the task streams."""
    return patched(Sweep, "lost", lambda _self, _held: None)


def waiting_runs_not_looked_for() -> AbstractContextManager[None]:
    """A new owner does not look for tasks that waited for a window."""
    return patched(Partition, "_offer_waiting", lambda _self, _message: None)


def delta_on_the_wrong_parent() -> AbstractContextManager[None]:
    """A delta names its base as its parent, whatever came between."""
    bases: dict[str, int] = {}

    def row(cell: str, version: int, parent: int, data: bytes, trims: bool = False) -> NewVersion:
        if parent == NO_PARENT:
            bases[cell] = version
        return NewVersion(cell, version, parent and bases[cell], data, trims)

    return patched(cells, "NewVersion", row)


def base_dropped_too_early() -> AbstractContextManager[None]:
    """A version takes all before it away, though it is a delta on them."""

    def row(cell: str, version: int, parent: int, data: bytes, trims: bool = False) -> NewVersion:
        return NewVersion(cell, version, parent, data, trims or parent != NO_PARENT)

    return patched(cells, "NewVersion", row)


@contextmanager
def trimmed_under_arguments() -> Iterator[None]:
    """A version goes with the next base, though the argument of a Send is made of it: tasks and heads do not say so."""
    with patched(staging, "bases_named", lambda _tasks: {}), patched(heads, "versions_named", lambda _graph: []):
        yield


def argument_of_another_version() -> AbstractContextManager[None]:
    """An argument names the base of what its task was handed, and not the version."""
    genuine = Origins.add

    def add(self: Origins, at: Any, seen: Any, value: Any) -> None:
        genuine(self, CellAt(at.cell, at.base, at.base) if type(at) is CellAt else at, seen, value)

    return patched(Origins, "add", add)


def arguments_not_compared() -> AbstractContextManager[None]:
    """What looks like a value that the task was handed is taken for it."""
    return patched(origins, "difference", lambda _codec, _value, _original: None)


@dataclass(slots=True)
class Mutant:
    """A rule to take away, the faults that bring it to light, and in how many seeds they must."""

    break_rule: Callable[[], AbstractContextManager[None]]
    faults: Faults
    seeds: int = 80


_ZOMBIES = Faults(pause_worker=0.06, repeat_publish=0.2, lose_delivery=0.05)
_AMNESIA = Faults(restart_broker=0.04, forget_deliveries=1.0)
_LOSSY = Faults(lose_reply=0.4, slow_wire=0.8, repeat_publish=0.3)
_COUPS = Faults(pause_coordinator=0.08, crash_coordinator=0.03, slow_wire=0.7)
_CRASHES = Faults(crash_worker=0.06, crash_coordinator=0.03, split_publish=1.0)
_CANCELS = Faults(cancel=1.0, slow_wire=0.97, repeat_publish=0.5)
_STRANGERS = Faults(stranger=0.6, crash_worker=0.03, crash_coordinator=0.02)

_LOSSES = Faults(lose_entry=0.08)
_DELETIONS = Faults(lose_task=0.05)
_HOSTILE = Faults(hostile=0.1)

MUTANTS = (
    Mutant(junk_ends_the_batch, _HOSTILE),
    Mutant(gaps_not_noticed, _LOSSES),
    Mutant(counts_not_compared, _LOSSES),
    Mutant(lost_tasks_not_looked_for, _DELETIONS),
    Mutant(waiting_runs_not_looked_for, _COUPS),
    Mutant(fence_ignored, _COUPS),
    Mutant(numbers_ignored, _LOSSY),
    Mutant(attempts_not_compared, _ZOMBIES),
    Mutant(executors_not_compared, _AMNESIA),
    Mutant(first_result_does_not_win, _LOSSY),
    Mutant(events_not_deduplicated, _LOSSY),
    Mutant(repeats_shown, _CRASHES),
    Mutant(recovery_forgets_events, _COUPS),
    Mutant(recovery_sends_again, _COUPS),
    Mutant(ended_runs_forgotten, _CANCELS),
    Mutant(leftovers_stay, _CRASHES),
    Mutant(newcomers_not_told, _STRANGERS),
    Mutant(delta_on_the_wrong_parent, _CRASHES),
    Mutant(base_dropped_too_early, _CRASHES),
    Mutant(trimmed_under_arguments, _CRASHES, 200),
    Mutant(argument_of_another_version, _CRASHES, 200),
    Mutant(arguments_not_compared, _CRASHES, 200),
)
