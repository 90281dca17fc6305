"""Retries in the run machine: a task that failed waits for its next try. No server, no clock, no threads."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import Task, TaskStatus
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_protocol.facts import TaskRetried
from drumline_protocol.messages import (
    AttemptLost,
    CancelRun,
    Events,
    RunRequest,
    RunShared,
    TaskError,
    TaskResult,
    TimerDue,
    WorkersChanged,
)


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def begin(*names: str, **config: Any) -> tuple[Run, Effects]:
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, lambda _state: {})
        builder.add_edge(START, name)
    run = Run(compile_program(builder), RunShared("r1", "g", "", 0, config, None, ("custom",), True))
    return run, run.start(RunRequest("r1", "g", {"l": []}), 100.0)


def error(task: Task, retry_ms: float, *, attempt: int = 1, executor: str = "w1") -> TaskError:
    return TaskError("r1", task.id, attempt, executor, ConnectionError("no"), retry_ms=retry_ms)


def result(task: Task, *, attempt: int, executor: str = "w1") -> TaskResult:
    return TaskResult("r1", task.id, attempt, executor, [("l", [attempt])])


def kinds(fx: Effects) -> list[str]:
    return [type(fact).__name__ for fact in fx.facts]


def test_a_failed_task_waits_and_is_sent_again_when_its_time_has_come() -> None:
    run, fx = begin("a")
    (a,) = fx.dispatch
    fx = run.handle(error(a, 500.0), 200.0)
    (retried,) = fx.facts
    assert isinstance(retried, TaskRetried) and retried.due_ms == 700.0
    assert fx.timers == [(700.0, a.id, 1 + 1)] and fx.dispatch == [] and fx.settled == [(a.id, 1)]
    assert a.status is TaskStatus.DELAYED and run.state.running == 0 and not run.state.waits
    fx = run.handle(TimerDue("r1", a.id, 2), 700.0)
    assert fx.dispatch == [a] and fx.facts == []
    fx = run.handle(result(a, attempt=2, executor="w2"), 800.0)
    assert fx.finished and run.state.root is not None and run.state.root.state.cells["l"] == [2]


def test_tries_are_apart_from_attempts_that_were_lost() -> None:
    run, fx = begin("a")
    (a,) = fx.dispatch
    run.handle(AttemptLost("r1", a.id, 1, "its worker vanished", died=True), 150.0)
    assert (a.attempt, a.tries, a.lost) == (2, 1, 1)
    run.handle(error(a, 10.0, attempt=2), 200.0)
    assert (a.attempt, a.tries, a.lost, a.first_ms) == (3, 2, 1, 100.0)


def test_what_comes_late_of_a_failed_try_is_left_out() -> None:
    run, fx = begin("a")
    (a,) = fx.dispatch
    run.handle(error(a, 10.0), 200.0)
    assert not run.handle(error(a, 10.0), 201.0).timers
    assert kinds(run.handle(Events("r1", a.id, 1, "w1", 0, [(0, "late", None)]), 202.0)) in ([], ["Noticed"])
    assert run.handle(result(a, attempt=1), 203.0).facts == []
    assert a.status is TaskStatus.DELAYED


def test_a_timer_that_rings_twice_or_for_another_attempt_does_nothing() -> None:
    run, fx = begin("a")
    (a,) = fx.dispatch
    run.handle(error(a, 10.0), 200.0)
    assert run.handle(TimerDue("r1", a.id, 1), 210.0).dispatch == []
    assert run.handle(TimerDue("r1", "unknown", 2), 210.0).dispatch == []
    assert run.handle(TimerDue("r1", a.id, 2), 210.0).dispatch == [a]
    assert run.handle(TimerDue("r1", a.id, 2), 211.0).dispatch == []


def test_a_task_that_waits_holds_no_slot() -> None:
    run, fx = begin("a", "b", max_concurrency=1)
    (a,) = fx.dispatch
    fx = run.handle(error(a, 10.0), 200.0)
    (b,) = fx.dispatch
    assert run.handle(TimerDue("r1", a.id, 2), 210.0).dispatch == []  # b has the slot
    assert run.handle(result(b, attempt=1), 220.0).dispatch == [a]


def test_what_was_overdue_when_its_owner_changed_is_sent() -> None:
    run, fx = begin("a")
    (a,) = fx.dispatch
    run.handle(error(a, 10.0), 200.0)
    assert run.handle(WorkersChanged(0), 209.0).dispatch == []
    assert run.handle(AttemptLost("r1", "none", 1, "nobody has a task of the run"), 209.0).dispatch == []
    assert run.handle(WorkersChanged(0), 210.0).dispatch == [a]


def test_the_end_of_a_run_drops_its_timers() -> None:
    run, fx = begin("a", "b")
    a, _ = fx.dispatch
    run.handle(error(a, 10.0), 200.0)
    fx = run.handle(CancelRun("r1", "enough"), 201.0)
    assert fx.finished and fx.timers_dropped == [(a.id, 2)]
