"""The run machine, event by event: no server, no clock, no threads."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import Task
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_graph.errors import GraphRecursionError
from drumline_graph.types import Send
from drumline_protocol.errors import RunCancelled, TaskLost
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    Noticed,
    RunFinished,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskParked,
)
from drumline_protocol.limits import (
    ATTEMPTS_MAX,
    BEGINNINGS_MAX,
    DEATHS_IN_COMPANY_MAX,
    DISPATCH_WINDOW_ENTRIES_MAX,
)
from drumline_protocol.messages import (
    AttemptLost,
    CancelRun,
    Events,
    Refused,
    RunRequest,
    RunShared,
    TaskError,
    TaskResult,
    WorkersChanged,
)

ITEM = (0, "token", None)


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def node(_state: State) -> dict[str, Any]:
    raise AssertionError("the machine runs no node")


def graph(*edges: tuple[str, str]) -> Any:
    builder = StateGraph(State)
    for name in sorted({name for edge in edges for name in edge} - {START}):
        builder.add_node(name, node)
    for source, target in edges:
        builder.add_edge(source, target)
    return compile_program(builder)


def begin(program: Any, input: Any = None, **config: Any) -> tuple[Run, Effects]:
    shared = RunShared("r1", "g", "", 0, config, None, ("custom",), True)
    run = Run(program, shared)
    return run, run.start(RunRequest("r1", "g", input or {"l": ["i"]}), 0.0)


def result(task: Task, value: Any = "x", *, attempt: int = 1, executor: str = "w1") -> TaskResult:
    writes = [("l", [value]), *task.node.edges]
    return TaskResult("r1", task.id, attempt, executor, writes)


def events(task: Task, n: int, count: int, *, attempt: int = 1, executor: str = "w1") -> Events:
    return Events("r1", task.id, attempt, executor, n, [ITEM] * count)


def kinds(fx: Effects) -> list[str]:
    return [type(fact).__name__ for fact in fx.facts]


def test_a_chain_from_start_to_end() -> None:
    run, fx = begin(graph((START, "a"), ("a", "b")))
    assert kinds(fx) == ["RunStarted", "GraphEntered", "StepCommitted", "PlanMade"]
    (a,) = fx.dispatch
    fx = run.handle(result(a), 1.0)
    assert kinds(fx) == ["TaskFinished", "StepCommitted", "PlanMade"]
    assert fx.settled == [(a.id, 1)]
    (b,) = fx.dispatch
    fx = run.handle(result(b, "y"), 2.0)
    assert kinds(fx) == ["TaskFinished", "StepCommitted", "RunFinished"]
    assert fx.finished and fx.facts[-1] == RunFinished("done", None, 2.0)
    assert run.state.root is not None and run.state.root.state.cells["l"] == ["i", "x", "y"]


def test_task_ids_depend_on_the_run_the_step_and_the_place_only() -> None:
    program = graph((START, "a"), (START, "b"))
    first = [task.id for task in begin(program)[1].dispatch]
    assert first == [task.id for task in begin(program)[1].dispatch]
    assert len(set(first)) == 2


def test_first_result_wins_whoever_sends_the_second() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, b = fx.dispatch
    run.handle(result(a, "first"), 1.0)
    for late in (result(a, "again"), result(a, "other", executor="w2")):
        assert run.handle(late, 2.0).facts == []
    run.handle(result(b, "b"), 3.0)
    assert run.state.root is not None and run.state.root.state.cells["l"] == ["i", "first", "b"]


def test_an_attempt_binds_to_the_first_executor_heard() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, _ = fx.dispatch
    run.handle(events(a, 0, 1), 1.0)
    assert run.handle(events(a, 0, 1, executor="w2"), 2.0).facts == []
    assert kinds(run.handle(result(a), 3.0)) == ["TaskFinished"]


def test_an_answer_of_another_executor_voids_the_attempt() -> None:
    # With its answer the task's entry is gone: nobody would notice if the first executor never answered
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    run.handle(events(a, 0, 1), 1.0)
    fx = run.handle(result(a, executor="w2"), 2.0)
    assert kinds(fx) == ["AttemptRetracted"] and fx.dispatch == [a]
    assert run.handle(result(a), 3.0).facts == []
    assert run.handle(result(a, attempt=2, executor="w3"), 4.0).finished


def test_repeated_events_are_dropped_by_number() -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    assert run.handle(events(a, 0, 3), 1.0).facts == [Emitted(a.id, 1, 0, "w1", [ITEM] * 3)]
    assert run.handle(events(a, 0, 3), 1.0).facts == []
    assert run.handle(events(a, 2, 3), 1.0).facts == [Emitted(a.id, 1, 3, "w1", [ITEM] * 2)]


def test_silence_retracts_the_attempt_and_dispatches_the_next() -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    run.handle(events(a, 0, 2), 1.0)
    fx = run.handle(AttemptLost("r1", a.id, 1, "silent"), 2.0)
    assert fx.facts == [AttemptRetracted((), a.id, 1, "silent", False, "w1", 2.0)]
    assert fx.withdrawn == [(a.id, 1)] and fx.dispatch == [a] and a.attempt == 2
    assert run.handle(AttemptLost("r1", a.id, 1, "told twice"), 3.0).facts == []
    for zombie in (events(a, 2, 1), result(a, "zombie")):
        assert run.handle(zombie, 4.0).facts == []
    fx = run.handle(result(a, "good", attempt=2, executor="w2"), 5.0)
    assert isinstance(fx.facts[0], TaskFinished) and fx.facts[0].attempt == 2


@pytest.mark.parametrize(("died", "most"), [(True, ATTEMPTS_MAX), (False, BEGINNINGS_MAX)])
def test_attempts_are_capped(died: bool, most: int) -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    for attempt in range(1, most):
        fx = run.handle(AttemptLost("r1", a.id, attempt, "gone", died=died), 1.0)
        assert fx.dispatch == [a]
        assert a.is_suspect == (died and attempt >= DEATHS_IN_COMPANY_MAX)
    fx = run.handle(AttemptLost("r1", a.id, most, "gone", died=died), 2.0)
    failed, end = fx.facts
    assert isinstance(failed, TaskFailed) and isinstance(failed.error, TaskLost)
    assert isinstance(end, RunFinished) and end.status == "failed"


def test_refused_parks_without_counting_a_lost_attempt() -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    fx = run.handle(Refused("r1", a.id, 1, "w1", "no such graph"), 1.0)
    assert fx.facts == [TaskParked((), a.id, "no such graph")]
    assert fx.settled == [(a.id, 1)] and not fx.dispatch
    fx = run.handle(WorkersChanged(0), 2.0)
    assert fx.dispatch == [a] and a.attempt == 2 and a.lost == 0
    assert run.handle(Refused("r1", a.id, 1, "w1", "no such graph"), 2.5) == Effects()
    assert run.handle(result(a, attempt=2, executor="w2"), 3.0).finished


def test_late_events_are_told_of_once() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, _ = fx.dispatch
    run.handle(result(a), 1.0)
    (notice,) = run.handle(events(a, 1, 2), 2.0).facts
    assert isinstance(notice, Noticed) and "'a'" in notice.text
    assert run.handle(events(a, 3, 1), 3.0).facts == []
    assert run.late.count == 3


def test_repeated_events_of_a_finished_task_are_no_news() -> None:
    # A worker whose reply was lost sends events and result again
    run, fx = begin(graph((START, "a"), ("a", "b")))
    (a,) = fx.dispatch
    run.handle(events(a, 0, 2), 1.0)
    run.handle(result(a), 2.0)
    assert run.handle(events(a, 0, 2), 3.0).facts == [] and run.late.count == 0
    assert kinds(run.handle(events(a, 3, 1), 4.0)) == ["Noticed"] and run.late.count == 1


def test_a_failure_ends_the_run_and_withdraws_the_siblings() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, b = fx.dispatch
    error = ValueError("boom")
    fx = run.handle(TaskError("r1", a.id, 1, "w1", error), 1.0)
    assert kinds(fx) == ["TaskFailed", "RunFinished"]
    assert fx.settled == [(a.id, 1)] and fx.withdrawn == [(b.id, 1)] and fx.cancelled == [b.id]
    assert not run.state.is_open and run.handle(result(b), 2.0).facts == []


def test_cancel_ends_the_run_once() -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    fx = run.handle(CancelRun("r1", "enough"), 1.0)
    (end,) = fx.facts
    assert isinstance(end, RunFinished) and isinstance(end.error, RunCancelled)
    assert fx.withdrawn == [(a.id, 1)]
    assert run.handle(CancelRun("r1", "again"), 2.0).facts == []


def test_a_reducer_that_raises_ends_its_run_and_changes_nothing() -> None:
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    fx = run.handle(TaskResult("r1", a.id, 1, "w1", [("l", 7)]), 1.0)
    assert kinds(fx) == ["TaskFinished", "RunFinished"]
    assert run.state.root is not None and run.state.root.state.cells["l"] == ["i"]


def test_max_concurrency_bounds_open_tasks() -> None:
    run, fx = begin(graph(*((START, f"n{index}") for index in range(5))), max_concurrency=2)
    open_tasks = list(fx.dispatch)
    done = 0
    while open_tasks:
        assert len(open_tasks) <= 2
        fx = run.handle(result(open_tasks.pop(0), done), 1.0)
        done += 1
        open_tasks.extend(fx.dispatch)
    assert done == 5 and fx.finished


def test_a_wide_step_leaves_in_windows() -> None:
    builder = StateGraph(State)
    width = DISPATCH_WINDOW_ENTRIES_MAX + 10
    builder.add_node("a", node).add_node("w", node).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda _s: [], ["w"])
    run, fx = begin(compile_program(builder))
    (a,) = fx.dispatch
    sends = [("__pregel_tasks", Send("w", {"l": [index]})) for index in range(width)]
    fx = run.handle(TaskResult("r1", a.id, 1, "w1", sends), 1.0)
    assert len(fx.dispatch) == DISPATCH_WINDOW_ENTRIES_MAX and fx.more
    fx = run.more(2.0)
    assert len(fx.dispatch) == 10 and not fx.more


@pytest.mark.parametrize(("limit", "raises"), [(2, True), (3, False)])
def test_recursion_limit_counts_steps_as_langgraph_does(limit: int, raises: bool) -> None:
    run, fx = begin(graph((START, "a"), ("a", "b")), recursion_limit=limit)
    fx = run.handle(result(fx.dispatch[0]), 1.0)
    fx = run.handle(result(fx.dispatch[0]), 2.0)
    end = fx.facts[-1]
    assert isinstance(end, RunFinished)
    assert isinstance(end.error, GraphRecursionError) is raises


def test_an_input_that_cannot_be_ends_the_run_at_once() -> None:
    _, fx = begin(graph((START, "a")), input=7)
    assert kinds(fx)[0] == "RunStarted" and fx.finished
    end = fx.facts[-1]
    assert isinstance(end, RunFinished) and end.status == "failed"


def test_a_subgraph_is_a_scope_of_the_same_run() -> None:
    inner = StateGraph(State)
    inner.add_node("x", node).add_edge(START, "x")

    class Compiled:
        program = compile_program(inner)

    outer = StateGraph(State)
    outer.add_node("sub", Compiled()).add_node("end", node)
    outer.add_edge(START, "sub").add_edge("sub", "end")
    run, fx = begin(compile_program(outer))
    (x,) = fx.dispatch
    assert x.name == "x" and x.scope.ns[0].startswith("sub:")
    fx = run.handle(result(x, "x"), 1.0)
    committed = [fact.ns for fact in fx.facts if isinstance(fact, StepCommitted)]
    assert committed == [x.scope.ns, ()]
    (end,) = fx.dispatch
    assert end.name == "end"
    assert run.state.root is not None and run.state.root.state.cells["l"] == ["i", "i", "x"]


def test_what_comes_behind_a_lost_answer_is_a_gap() -> None:
    # Given a node that goes on to emit behind its return, and an answer that was lost on its way
    run, fx = begin(graph((START, "a")))
    (a,) = fx.dispatch
    run.handle(events(a, 0, 2), 1.0)
    fx = run.handle(events(a, 3, 1), 2.0)
    # Then the late event does not pass for one of the node's
    assert kinds(fx) == ["AttemptRetracted"] and fx.dispatch == [a]


def test_late_events_are_counted_behind_the_answers_number() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, _ = fx.dispatch
    run.handle(events(a, 0, 2), 1.0)
    done = result(a)
    done.events = 2
    run.handle(done, 2.0)
    assert kinds(run.handle(events(a, 3, 2), 3.0)) == ["Noticed"]
    assert run.late.count == 2
