"""Bugs to put into the services on purpose: a simulator that does not find them is worth nothing.

Each is a context manager that patches one rule away while it is open.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from drumline.views.graphs import OpenTask
from drumline_coordinator import partition, recovery
from drumline_coordinator.keeper import Keeper
from drumline_coordinator.partition import Partition
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import DONE, RUNNING
from drumline_protocol.facts import Emitted
from drumline_transport.broker import Commit, CommitReply

from .network import SimServer


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    kept = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def fence_ignored() -> AbstractContextManager[None]:
    """A commit is applied whoever sends it, in whatever epoch, and as often as it comes."""

    def commit(self: SimServer, commit: Commit) -> CommitReply:
        part = self.partition(commit.partition)
        if not self._refuse_logs(part, commit):
            self._write(part, commit)
        return CommitReply(commit.partition, commit.number, "applied")

    SimServer.commit = SimServer.__mro__[1].commit  # type: ignore[attr-defined, method-assign]
    return patched(SimServer, "commit", commit)


def epoch_ignored() -> AbstractContextManager[None]:
    """Only the owner's name is compared: what he sent before he lost the partition and got it back still counts."""
    genuine = SimServer.__mro__[1].commit  # type: ignore[attr-defined]

    def commit(self: SimServer, commit: Commit) -> CommitReply:
        commit.epoch = self.partition(commit.partition).lease.epoch
        reply: CommitReply = genuine(self, commit)
        return reply

    SimServer.commit = genuine  # type: ignore[method-assign]
    return patched(SimServer, "commit", commit)


def _bound_without(attempt: bool = False, executor: bool = False, status: bool = False) -> Any:
    def bound(self: Run, event: Any) -> Any:
        task = self.tasks.get(event.task)
        if task is None or not (task.status is RUNNING or (status and task.status is DONE)):
            return None
        if not (attempt or task.attempt == event.attempt):
            return None
        if task.executor is None or executor:
            task.executor = event.executor
        return task if task.executor == event.executor else None

    return patched(Run, "_bound", bound)


def attempts_not_compared() -> AbstractContextManager[None]:
    """What a zombie of an earlier attempt says is taken for the new one's."""
    return _bound_without(attempt=True)


def executors_not_compared() -> AbstractContextManager[None]:
    """Two workers with one attempt are both believed."""
    return _bound_without(executor=True)


def first_result_does_not_win() -> AbstractContextManager[None]:
    """A second result of a task counts as well."""
    return _bound_without(status=True)


def events_not_deduplicated() -> AbstractContextManager[None]:
    """Events that come twice are told twice."""

    def on_events(self: Run, event: Any) -> None:
        task = self._bound(event)
        if task is not None:
            task.n += len(event.items)
            self._fx.facts.append(Emitted(task.id, task.attempt, task.n, event.executor, event.items))

    return patched(Run, "_on_events", on_events)


def repeats_shown() -> AbstractContextManager[None]:
    """The view tells a retracted attempt's events again."""
    return patched(OpenTask, "repeats", lambda _self, _raw: False)


def recovery_forgets_events() -> AbstractContextManager[None]:
    """A new owner does not know how many events were heard."""
    return patched(recovery._Folder, "_emitted", lambda _self, _fact: None)


def recovery_sends_again() -> AbstractContextManager[None]:
    """A new owner sends every open task again, whether it has an entry or not."""
    genuine = recovery.recover

    def recover(program: Any, shared: Any, facts: Any, _slots: Any) -> Run:
        return genuine(program, shared, facts, ())

    return patched(partition, "recover", recover)


def ended_runs_forgotten() -> AbstractContextManager[None]:
    """A run whose last commit is on its way is loaded again, as it was before."""
    return patched(Partition, "_remember_over", lambda _self, _run_id: None)


def leftovers_stay() -> AbstractContextManager[None]:
    """Entries that no record names are reported for ever instead of dropped."""
    genuine = Keeper._report

    def report(self: Keeper, pool: str, stale: Any, records: Any) -> None:
        class Everything(dict[str, Any]):
            def __contains__(self, _key: object) -> bool:
                return True

            def __getitem__(self, _key: str) -> Any:
                return self

            def get(self, _key: str, _default: Any = None) -> Any:
                return f"{pool} {stale.id}".encode()

        del records
        genuine(self, pool, stale, Everything())

    return patched(Keeper, "_report", report)


def newcomers_not_told() -> AbstractContextManager[None]:
    """Nobody tries parked tasks again when a worker comes."""
    return patched(Keeper, "_tell_of_workers", lambda _self, _index: None)


MUTANTS: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    fence_ignored,
    epoch_ignored,
    attempts_not_compared,
    executors_not_compared,
    first_result_does_not_win,
    events_not_deduplicated,
    repeats_shown,
    recovery_forgets_events,
    recovery_sends_again,
    ended_runs_forgotten,
    leftovers_stay,
    newcomers_not_told,
)
