"""Rules of the machine, of partitions and of the service that runs rely on: places, cancels, takeovers, poison."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.keepers import House
from tests.coordinator.seat import Seat
from tests.coordinator.test_run import START, State, begin, events, graph, kinds, node, result

from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import DONE, INTERRUPTED
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.types import Command, Interrupt
from drumline_protocol import wire
from drumline_protocol.errors import TaskLost
from drumline_protocol.facts import Emitted, GraphPaused, RunFinished, StepCommitted, TaskParked
from drumline_protocol.failure import describe, rebuild
from drumline_protocol.messages import (
    AttemptLost,
    Cancel,
    CancelRun,
    Events,
    Refused,
    RunRequest,
    TaskBubbled,
    TaskError,
    TaskInterrupt,
    TaskResult,
    WorkersChanged,
)


def sub(*edges: tuple[str, str], below: Any = None) -> Any:
    """A subgraph as a node's action; `below` is a subgraph in its node `deeper`."""
    inner = StateGraph(State)
    for name in sorted({name for edge in edges for name in edge} - {START}):
        inner.add_node(name, below if name == "deeper" else node)
    for edge in edges:
        inner.add_edge(*edge)

    class Compiled:
        program = compile_program(inner)

    return Compiled()


def outer(child: Any, *after: str) -> Any:
    """A graph of the node `sub`, and of nodes that only a command leads to."""
    builder = StateGraph(State).add_node("sub", child).add_edge(START, "sub")
    for name in after:
        builder.add_node(name, node)
    return compile_program(builder)


def names(fx: Effects) -> list[str]:
    return [task.name for task in fx.dispatch]


def bubble(run: Run, task: Any, *goto: str) -> Effects:
    command = Command(graph=Command.PARENT, goto=list(goto))
    return run.handle(TaskBubbled("r1", task.id, 1, "w1", command), 1.0)


# -- places under max_concurrency -------------------------------------------------------------------


def test_an_attempt_that_was_lost_frees_its_place() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")), max_concurrency=1)
    for attempt in (1, 2):
        (task,) = fx.dispatch
        assert (task.name, task.attempt) == ("a", attempt)
        fx = run.handle(AttemptLost("r1", task.id, attempt, "gone"), 1.0)
    assert names(fx) == ["a"]
    assert names(run.handle(result(fx.dispatch[0], attempt=3), 1.0)) == ["b"]


def test_a_refused_task_frees_its_place_and_takes_one_when_it_is_offered_again() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")), max_concurrency=1)
    (a,) = fx.dispatch
    fx = run.handle(Refused("r1", a.id, 1, "w1", "not held"), 1.0)
    assert names(fx) == ["b"]
    assert run.handle(WorkersChanged(0), 1.0).dispatch == [], "its place is taken"
    assert names(run.handle(result(fx.dispatch[0]), 1.0)) == ["a"]


def test_a_subgraph_is_left_when_its_tasks_have_ended() -> None:
    run, fx = begin(outer(sub((START, "x"), (START, "y")), "p", "q", "r"), max_concurrency=3)
    x, y = fx.dispatch
    fx = bubble(run, x, "p", "q", "r")
    assert (fx.cancelled, fx.dispatch, kinds(fx)) == ([], [], ["TaskFinished"])
    assert sorted(names(run.handle(result(y), 1.0))) == ["p", "q", "r"]


def test_leaving_a_subgraph_waits_for_those_below_it() -> None:
    child = sub((START, "x"), (START, "deeper"), below=sub((START, "w"), (START, "v")))
    run, fx = begin(outer(child, "p"))
    by_name = {task.name: task for task in fx.dispatch}
    bubble(run, by_name["x"], "p")
    assert names(run.handle(result(by_name["w"]), 1.0)) == []
    fx = run.handle(result(by_name["v"]), 1.0)
    assert names(fx) == ["p"]
    assert (fx.cancelled, fx.withdrawn) == ([], [])


def test_a_planned_task_of_a_subgraph_that_will_be_left_is_sent() -> None:
    run, fx = begin(outer(sub((START, "x"), (START, "y")), "p", "q"), max_concurrency=1)
    assert names(fx) == ["x"]
    fx = bubble(run, fx.dispatch[0], "p", "q")
    assert names(fx) == ["y"]
    fx = run.handle(result(fx.dispatch[0]), 1.0)
    assert names(fx) == ["p"]
    assert names(run.handle(result(fx.dispatch[0]), 1.0)) == ["q"]


def test_all_commands_of_a_superstep_are_followed_in_planning_order() -> None:
    for order in ((0, 1), (1, 0)):
        run, fx = begin(outer(sub((START, "x"), (START, "y")), "p", "q"))
        goto = ("p", "q")
        for index in order:
            last = bubble(run, fx.dispatch[index], goto[index])
        assert names(last) == ["p", "q"]


def test_a_question_beside_a_command_pauses_the_run() -> None:
    for asks_first in (False, True):
        run, fx = begin(outer(sub((START, "x"), (START, "y")), "p"))
        x, y = fx.dispatch
        question = TaskInterrupt("r1", y.id, 1, "w1", [Interrupt("why", "i")])
        steps = [lambda run=run, x=x: bubble(run, x, "p"), lambda run=run, q=question: run.handle(q, 1.0)]
        for step in reversed(steps) if asks_first else steps:
            fx = step()
        assert fx.finished and fx.facts[-1].status == "paused"  # type: ignore[union-attr]


# -- attempts ---------------------------------------------------------------------------------------


def test_a_new_attempt_is_heard_from_its_first_event_and_from_anybody() -> None:
    run, fx = begin(graph((START, "a")))
    (task,) = fx.dispatch
    run.handle(events(task, 0, 3), 1.0)
    run.handle(AttemptLost("r1", task.id, 1, "gone"), 1.0)
    fx = run.handle(events(task, 0, 2, attempt=2, executor="another"), 1.0)
    assert [(fact.attempt, fact.n, len(fact.items)) for fact in fx.facts if isinstance(fact, Emitted)] == [(2, 0, 2)]


def test_a_refusal_that_is_repeated_does_not_hit_the_next_attempt() -> None:
    run, fx = begin(graph((START, "a")))
    (task,) = fx.dispatch
    refused = Refused("r1", task.id, 1, "w1", "not held")
    run.handle(refused, 1.0)
    (again,) = run.handle(WorkersChanged(0), 1.0).dispatch
    assert again.attempt == 2
    fx = run.handle(refused, 1.0)
    assert not [fact for fact in fx.facts if isinstance(fact, TaskParked)]
    assert run.handle(result(task, attempt=2, executor="w2"), 1.0).finished


def test_what_siblings_of_a_question_wrote_is_shown_before_the_run_pauses() -> None:
    run, fx = begin(graph((START, "a"), (START, "b")))
    a, b = fx.dispatch
    assert not run.handle(TaskInterrupt("r1", a.id, 1, "w1", [Interrupt("why", "i")]), 1.0).finished
    fx = run.handle(result(b, "of b"), 1.0)
    (pause,) = (fact for fact in fx.facts if isinstance(fact, GraphPaused))
    assert pause.written == ("l",) and "of b" in str(pause.changes["l"])
    # The step is not over: the state is as it was, and what each task did is kept
    root = run.state.root
    assert root is not None and root.paused and root.state.cells["l"] == ["i"]
    assert [task.status for task in root.tasks.values()] == [INTERRUPTED, DONE]
    assert not any(isinstance(fact, StepCommitted) for fact in fx.facts)
    end = fx.facts[-1]
    assert isinstance(end, RunFinished) and end.status == "paused"


# -- partitions -------------------------------------------------------------------------------------


@pytest.fixture
def seat() -> Seat:
    return Seat({"g": graph((START, "a"), (START, "b")), "left": outer(sub((START, "x"), (START, "y")), "p")})


def cancels(seat: Seat) -> list[Cancel]:
    """What every worker was told."""
    return [wire.decode(seat.codec, data) for _, data in seat.broker.read_ctl("0-0", 0)]


def test_of_a_request_that_was_given_up_no_task_is_sent(seat: Seat) -> None:
    seat.say(RunRequest("r1", "g", seat.codec.box({"l": ["i"]}), recorded=("custom",)))
    seat.say(CancelRun("r1", "nobody waits"))
    commit = seat.turn()
    assert commit is not None and commit.tasks == [] and commit.opened == []
    end = seat.end()
    assert end is not None and end.status == "cancelled"


def test_workers_are_told_of_the_tasks_that_are_cancelled_and_of_no_others(seat: Seat) -> None:
    x, y = seat.start("r1", "left")
    seat.say(TaskError("r1", x.task, 1, "w1", describe(ValueError("of x"), seat.codec), x.token, 0))
    seat.settle()
    assert cancels(seat) == [Cancel("r1", (y.task,))]


def test_a_new_owner_knows_that_a_subgraph_will_be_left(seat: Seat) -> None:
    x, y = seat.start("r1", "left")
    command = seat.codec.box(Command(graph=Command.PARENT, goto="p"))
    seat.say(TaskBubbled("r1", x.task, 1, "w1", command, x.token, 0))
    seat.settle()
    assert cancels(seat) == []
    seat.lease()
    seat.say(TaskResult("r1", y.task, 1, "w1", seat.codec.box([]), y.token, 0))
    seat.settle()
    assert [task.node for task in seat.tasks()] == ["p"]


def test_a_run_that_has_ended_is_not_loaded_again_while_its_last_commit_is_on_its_way(seat: Seat) -> None:
    a, _ = seat.start()
    seat.say(CancelRun("r1", "enough"))
    on_its_way = seat.partition.handle(seat.entries(), 1.0)
    assert on_its_way is not None
    seat.say(Events("r1", a.task, 1, "w1", 0, [wire.encode_item(seat.codec, 0, "late", None)], a.token))
    behind = seat.partition.handle(seat.entries(), 2.0)
    assert behind is None or (behind.logs == [] and behind.tasks == [] and behind.closed == [])


def test_a_new_owner_knows_how_many_attempts_were_lost(seat: Seat) -> None:
    tasks = seat.start()
    for attempt in range(1, 6):
        (a,) = (task for task in tasks if task.node == "a")
        assert a.attempt == attempt
        seat.lease()
        proof = seat.broker.load_run(0, "r1")[f"k:{a.task}:{attempt}"].decode()
        seat.say(AttemptLost("r1", a.task, attempt, "gone", proof, died=True))
        seat.settle()
        tasks = seat.tasks()
    end = seat.end()
    assert end is not None and isinstance(rebuild(end.error), TaskLost)


def test_a_new_owner_counts_the_tasks_that_are_out(seat: Seat) -> None:
    (a,) = seat.start(max_concurrency=1)
    seat.lease()
    seat.say(Events("r1", a.task, 1, "w1", 0, [wire.encode_item(seat.codec, 0, "e", None)], a.token))
    seat.settle()
    assert seat.tasks() == [], "the one place is taken"
    seat.say(seat.result(a, events=1))
    seat.settle()
    assert [task.node for task in seat.tasks()] == ["b"]


# -- the service ------------------------------------------------------------------------------------


def test_an_entry_that_ends_its_coordinator_three_times_is_set_aside_and_its_run_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from drumline_coordinator.partition import Partition

    genuine, tries = Partition.handle, 0

    def handle(self: Partition, entries: Any, now_ms: float) -> Any:
        nonlocal tries
        if any(entry.run == "poison" for entry in entries):
            tries += 1
            raise SystemExit
        return genuine(self, entries, now_ms)

    monkeypatch.setattr(Partition, "handle", handle)
    house = House(partitions=1)
    house.submit("poison")
    house.submit("fine")
    for _ in range(2):
        coordinator = house.start("c")
        coordinator.keeper.turn()
        with pytest.raises(SystemExit):
            coordinator.work()
        house.kill(coordinator)
        house.server.now_ms += 1_300
    house.start("c").turn()
    assert tries == 2, "the third one does not try"
    assert house.broker.load_run(0, "poison")["status"] == b"failed"
    assert house.broker.load_run(0, "fine")["status"] == b"open"
    (dead,) = house.broker.dead(0, 10)
    assert dead[1].run == "poison"


def test_a_partition_whose_commit_was_refused_is_thrown_away() -> None:
    house = House(partitions=1)
    coordinator = house.start("c")
    coordinator.turn()
    assert coordinator.held == [0]
    house.server.now_ms += 10_000
    assert house.broker.acquire(0, "another#1", 60_000) is not None
    house.submit("r1")
    coordinator.work()
    assert coordinator.held == []
    assert house.broker.load_run(0, "r1") == {}


def test_after_a_restart_of_the_broker_partitions_are_leased_anew() -> None:
    house = House(partitions=2)
    coordinator = house.start("c")
    coordinator.turn()
    before = {lease.partition: lease.epoch for lease in coordinator.service.leases}
    house.server.restart()
    coordinator.work()
    coordinator.turn()
    after = {lease.partition: lease.epoch for lease in coordinator.service.leases}
    assert after.keys() == before.keys() == {0, 1}
    assert all(after[index] > before[index] for index in after)
    assert {lease.server for lease in coordinator.service.leases} == {house.server.run_id}


def test_a_partition_is_let_go_when_its_commits_have_their_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(partitions=1)
    coordinator = house.start("c")
    coordinator.turn()
    broker, outstanding_when_let_go = coordinator.broker, []
    genuine, held_back = broker.poll_commits, [3]

    def slowly(block_ms: int = 0) -> Any:
        if held_back[0]:
            held_back[0] -= 1
            return []
        return genuine(block_ms)

    monkeypatch.setattr(broker, "poll_commits", slowly)
    house.submit("r1")
    coordinator.service.turn()
    assert broker.outstanding == 1
    monkeypatch.setattr(coordinator.keeper, "changes", lambda: [0])
    monkeypatch.setattr(coordinator.keeper, "let_go", lambda _: outstanding_when_let_go.append(broker.outstanding))
    coordinator.service.turn()
    assert outstanding_when_let_go == [0]
