"""Large values that answers name: read for the machine, told as names, and missed as a lost attempt."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.test_dispatch import CODEC, SHARED, Store
from tests.coordinator.test_run import START, State, graph, node

from drumline_coordinator.heads import bases_in, head_facts
from drumline_coordinator.named import open_answer, open_facts
from drumline_coordinator.recovery import attempt_key, recover
from drumline_coordinator.tasks import Task
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.constants import PUSH, TASKS
from drumline_graph.delta import APPEND
from drumline_graph.types import Command, Send
from drumline_protocol import wire
from drumline_protocol.cells import CellAt, CellRow
from drumline_protocol.codec import Boxed
from drumline_protocol.codec_derived import Derived, Hole
from drumline_protocol.facts import AttemptRetracted, GraphKept, TaskKept
from drumline_protocol.heads import open_head
from drumline_protocol.messages import TaskBubbled, TaskResult
from drumline_protocol.named import Blob, move_out

LARGE = ["x" * 20_000]


class Compiled:
    program = graph((START, "x"))


def in_subgraph() -> Any:
    builder = StateGraph(State)
    builder.add_node("sub", Compiled()).add_node("after", node)
    builder.add_edge(START, "sub").add_edge("sub", "after")
    return compile_program(builder)


def answer(task: Task, kind: type) -> tuple[Any, list[Blob]]:
    """A result, or a command for the graph above, that names a large value."""
    if kind is TaskBubbled:
        said, blobs = move_out(CODEC, Command(graph=Command.PARENT, update={"l": LARGE}), "r1:n-")
        return TaskBubbled("r1", task.id, 1, "w1", CODEC.box(said)), blobs
    writes, blobs = move_out(CODEC, [("l", LARGE), *task.node.edges], "r1:n-")
    return TaskResult("r1", task.id, 1, "w1", CODEC.box([list(pair) for pair in writes])), blobs


@pytest.mark.parametrize("kind", [TaskResult, TaskBubbled])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_value_that_an_answer_names_is_read_or_the_attempt_is_void(kind: type, is_there: bool) -> None:
    store = Store(in_subgraph(), {"l": []})
    (task,) = store.fx.dispatch
    event, blobs = answer(task, kind)
    assert len(blobs) == 1
    held = dict(blobs) if is_there else {}
    open_answer(CODEC, store.run.state, event, lambda ids: [held.get(id_) for id_ in ids])
    fx = store.handle(event)
    if is_there:
        assert [after.name for after in fx.dispatch] == ["after"]
        assert store.read(fx.dispatch[0]) == LARGE
    else:
        assert [type(fact) for fact in fx.facts] == [AttemptRetracted]
        assert fx.dispatch == [task] and task.attempt == 2


def test_a_head_names_what_a_task_of_the_open_step_wrote() -> None:
    # Given a step of which one task has ended, with a large value
    store = Store(graph((START, "a"), (START, "b")), {"l": []})
    a, b = store.fx.dispatch
    event, blobs = answer(a, TaskResult)
    held = dict(blobs)
    open_answer(CODEC, store.run.state, event, lambda ids: [held[id_] for id_ in ids])
    store.handle(event)
    data = wire.encode_facts(CODEC, head_facts(store.facts[0], store.run.state, 0))
    assert len(data) < 2_000
    # Then a new owner reads it again
    facts = wire.decode_facts(CODEC, data)
    open_head(CODEC, "r1", facts, lambda _cells: [])
    open_facts(CODEC, facts, lambda ids: [held[id_] for id_ in ids])
    heir = recover(store.run.program, SHARED, facts, {attempt_key(b.id, 1)}, CODEC)
    assert dict(heir.state.tasks[a.id].writes)["l"] == LARGE


def test_a_head_says_which_older_versions_its_arguments_are_made_of() -> None:
    def kept(task: str, arg: Any, writes: Any = ()) -> TaskKept:
        return TaskKept(task, "a", (PUSH, 0), (), arg, "body", "P", 1, 0, 0, "", 0, list(writes), [], "")

    def derived(version: int, base: int) -> Derived:
        return Derived((CellAt(":l", version, base),), Boxed(CODEC.encode(Hole(0)), CODEC))

    sent = [[TASKS, Send("a", derived(4, 2))], ["l", ["x"]]]
    tasks = [kept("t1", derived(6, 3)), kept("t2", derived(9, 9)), kept("t3", None, sent)]
    cells = {"l": [9, 9, 1, 10, 10], "m": [8, 7, 2, 10, 10]}
    facts = wire.decode_facts(
        CODEC, wire.encode_facts(CODEC, [GraphKept((), "", 3, {}, cells, {}, {}, None, (), tasks)])
    )
    assert bases_in(facts) == {":l": 2, ":m": 7}
    rows = {version: CellRow(version, 0, CODEC.encode([version])) for version in (2, 3, 7, 9)} | {
        version: CellRow(version, base, CODEC.encode([APPEND, [version]])) for version, base in ((4, 2), (6, 3), (8, 7))
    }

    def read(asked: list[tuple[str, str, int, int]]) -> list[list[CellRow]]:
        return [[row for n, row in sorted(rows.items()) if after < n <= upto] for _, _, after, upto in asked]

    older = open_head(CODEC, "r1", facts, read, arguments=True)
    assert older == {CellAt(":l", 6, 3): [3, 6], CellAt(":l", 4, 2): [2, 4]}
    assert facts[0].cells == {"l": [9], "m": [7, 8]}
    assert open_head(CODEC, "r1", facts, read) == {}, "nobody has asked for arguments"
