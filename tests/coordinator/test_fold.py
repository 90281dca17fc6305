"""The fold and its tables: what a fact means is written once, and what cannot be raises."""

from __future__ import annotations

from itertools import product

import pytest
from tests.coordinator.test_run import State, begin, graph, node, result

from drumline_coordinator.fold import fold
from drumline_coordinator.nesting import ENDS, Ending, Place
from drumline_coordinator.recovery import attempt_key, recover
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import TRANSITIONS, ImpossibleTransition, TaskStatus
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import START
from drumline_graph.errors import GraphInterrupt, GraphRecursionError, ParentCommand
from drumline_graph.types import Command, Interrupt, Send
from drumline_protocol.facts import GraphEntered, GraphExited, Noticed, RunFinished, TaskFinished, UnknownFact
from drumline_protocol.messages import RunRequest, RunShared, TaskBubbled, TaskError, TaskInterrupt, TaskResult


def test_each_status_has_a_row_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(TaskStatus)
    assert set().union(*TRANSITIONS.values()) == set(TaskStatus)


@pytest.mark.parametrize(("before", "after"), list(product(TaskStatus, TaskStatus)))
def test_a_transition_that_is_not_in_the_table_raises_with_the_story_of_the_task(
    before: TaskStatus, after: TaskStatus
) -> None:
    _, fx = begin(graph((START, "a")))
    (task,) = fx.dispatch
    task.status = before
    if after in TRANSITIONS[before]:
        task.become(after)
        assert task.status is after and task.story.endswith(after.value)
        return
    with pytest.raises(ImpossibleTransition) as caught:
        task.become(after)
    assert task.status is before
    text = str(caught.value)
    assert f"cannot become {after.name}" in text and "PLANNED -> RUNNING" in text
    assert "<Task a " in text and "step 1" in text and "attempt 1" in text


def test_a_second_result_in_a_log_is_a_fault_of_ours() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, _ = fx.dispatch
    (fact,) = run.handle(result(a), 1.0).facts
    with pytest.raises(ImpossibleTransition, match="PLANNED -> RUNNING -> DONE"):
        fold(run.state, fact)


def test_a_fault_of_ours_fails_the_run_and_nothing_else() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, _ = fx.dispatch
    a.status = TaskStatus.DONE  # nobody may do that
    a.status = TaskStatus.PARKED
    fx = run.fail(ImpossibleTransition(a, TaskStatus.DONE), 1.0)
    (end,) = fx.facts
    assert isinstance(end, RunFinished) and end.status == "failed"
    assert isinstance(end.error, ImpossibleTransition)


def test_facts_that_are_not_known_or_tell_nothing_change_nothing() -> None:
    run, _ = begin(graph((START, "a")))
    before = repr(vars_of(run.state))
    fold(run.state, UnknownFact(99, 3))
    assert repr(vars_of(run.state)) == before
    fold(run.state, Noticed("text", "key"))
    assert run.state.noticed == {"key"}


def vars_of(state: object) -> dict[str, object]:
    return {name: getattr(state, name) for name in type(state).__slots__}  # type: ignore[attr-defined]


def test_what_was_noticed_is_not_told_again_after_a_takeover() -> None:
    program = graph((START, "a"), (START, "b"))
    shared = RunShared("r1", "g", "", 0, {}, None, (), True)
    fx = begin(program)[1]
    facts = [*fx.facts, Noticed("late", "late")]
    run = recover(program, shared, facts, {attempt_key(task.id, 1) for task in fx.dispatch})
    assert run.state.noticed == {"late"} and run.state.running == 2


# -- how graphs end --------------------------------------------------------------------------------


class Compiled:
    def __init__(self, *edges: tuple[str, str]) -> None:
        self.program = graph(*edges)


def test_each_end_of_each_kind_of_graph_is_in_the_table_but_one() -> None:
    assert set(product(Ending, Place)) - set(ENDS) == {(Ending.BUBBLED, Place.ROOT)}


def begin_in(place: Place) -> tuple[object, object, object]:
    """A run, its one task in a graph that is this, and that graph's namespace."""
    program = graph((START, "x"))
    ns: tuple[str, ...] = ("node:task",) if place is Place.CALLED else ()
    if place is Place.NODE:
        builder = StateGraph(State)
        builder.add_node("sub", Compiled((START, "x"))).add_node("after", node)
        builder.add_edge(START, "sub").add_edge("sub", "after")
        program = compile_program(builder)
    run = Run(program, RunShared("r1", "g", "", 0, {"recursion_limit": 3}, None, ("custom",), True), ns=ns)
    (task,) = run.start(RunRequest("r1", "g", {"l": ["i"]}), 0.0).dispatch
    return run, task, task.scope.ns


PARENT = Command(graph=Command.PARENT, update={"l": ["up"]})


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("ending", Ending)
def test_a_graph_ends(place: Place, ending: Ending) -> None:
    run, task, ns = begin_in(place)  # type: ignore[assignment]
    event: object = {
        Ending.RETURNED: result(task),  # type: ignore[arg-type]
        Ending.FAILED: TaskError("r1", task.id, 1, "w1", ValueError("no")),  # type: ignore[attr-defined]
        Ending.ASKED: TaskInterrupt("r1", task.id, 1, "w1", [Interrupt("why", "i")]),  # type: ignore[attr-defined]
        Ending.BUBBLED: TaskBubbled("r1", task.id, 1, "w1", PARENT),  # type: ignore[attr-defined]
    }[ending]
    fx = run.handle(event, 1.0)  # type: ignore[attr-defined]
    end = fx.facts[-1]
    if place is Place.NODE and ending in (Ending.RETURNED, Ending.BUBBLED):
        # The graph is left, and its node has a result: the graph around it goes on
        assert [fact.ns for fact in fx.facts if isinstance(fact, GraphExited)] == [ns]
        (finished,) = [fact for fact in fx.facts if isinstance(fact, TaskFinished) and fact.ns == ()]
        assert dict(finished.writes)["l"] == (["i", "x"] if ending is Ending.RETURNED else ["up"])
        assert [after.name for after in fx.dispatch] == ["after"] and not fx.finished
        return
    assert isinstance(end, RunFinished) and fx.finished
    status, error, control = {
        Ending.RETURNED: ("done", None, None),
        Ending.FAILED: ("failed", ValueError, None),
        Ending.ASKED: ("paused", None, None),
        Ending.BUBBLED: ("failed", ParentCommand, None),  # a root has no graph around it
    }[ending]
    if place is Place.CALLED and ending in (Ending.ASKED, Ending.BUBBLED):
        # Control flow is no failure: it is for the run of the node that called
        status, error = "passed on", None
        control = GraphInterrupt if ending is Ending.ASKED else ParentCommand
    assert end.status == status
    assert (end.error is None) if error is None else isinstance(end.error, error)
    assert (end.control is None) if control is None else isinstance(end.control, control)


def test_a_graph_that_asked_stays_with_what_its_tasks_wrote() -> None:
    builder = StateGraph(State)
    builder.add_node("sub", Compiled((START, "x"), (START, "y"))).add_node("beside", node)
    builder.add_edge(START, "sub").add_edge(START, "beside")
    run, fx = begin(compile_program(builder))
    x, y, beside = (next(task for task in fx.dispatch if task.name == name) for name in ("x", "y", "beside"))
    run.handle(TaskInterrupt("r1", x.id, 1, "w1", [Interrupt("why", "i")]), 1.0)
    run.handle(result(y, "of y"), 1.0)
    fx = run.handle(result(beside, "beside"), 1.0)
    assert fx.finished and fx.facts[-1].status == "paused"  # type: ignore[union-attr]
    assert [scope.paused for scope in run.state.scopes.values()] == [True, True]
    assert {task.name: task.status.name for task in run.state.tasks.values()} == {
        "sub": "INTERRUPTED",
        "beside": "DONE",
        "x": "INTERRUPTED",
        "y": "DONE",
    }
    assert dict(y.writes)["l"] == ["of y"]


def test_a_subgraph_that_cannot_begin_ends_the_run_with_its_last_fact() -> None:
    # Given Sends to two subgraphs, of which the first cannot take its input
    builder = StateGraph(State)
    builder.add_node("r", node).add_node("a", Compiled((START, "x"))).add_node("b", Compiled((START, "x")))
    builder.add_edge(START, "r").add_conditional_edges("r", lambda _state: [], ["a", "b"])
    run, fx = begin(compile_program(builder))
    sends = [("__pregel_tasks", Send("a", 7)), ("__pregel_tasks", Send("b", {"l": ["i"]}))]
    fx = run.handle(TaskResult("r1", fx.dispatch[0].id, 1, "w1", sends), 1.0)
    # Then the second one is not entered, and nothing comes behind the end
    (entered,) = (fact for fact in fx.facts if isinstance(fact, GraphEntered))
    assert entered.ns[0].startswith("a:")
    end = fx.facts[-1]
    assert isinstance(end, RunFinished) and end.status == "failed"
    assert sum(isinstance(fact, RunFinished) for fact in fx.facts) == 1 and not fx.dispatch


def test_the_recursion_limit_of_a_subgraph_fails_its_node() -> None:
    builder = StateGraph(State)
    builder.add_node("sub", Compiled((START, "x"), ("x", "y"), ("y", "z"))).add_edge(START, "sub")
    run, fx = begin(compile_program(builder), recursion_limit=2)
    for _ in range(2):
        fx = run.handle(result(fx.dispatch[0]), 1.0)
    assert fx.finished and isinstance(fx.facts[-1].error, GraphRecursionError)  # type: ignore[union-attr]
    assert [type(fact).__name__ for fact in fx.facts[-3:]] == ["GraphExited", "TaskFailed", "RunFinished"]
