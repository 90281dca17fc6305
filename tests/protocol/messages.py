"""One valid sample, at least, of every fact and message, and of what travels inside of them."""

from __future__ import annotations

from typing import Any

from tests.protocol.samples import CODEC, Frozen, Point

from drumline_graph.types import Command, Interrupt, Send
from drumline_protocol import checkpoints as c
from drumline_protocol import facts as f
from drumline_protocol import messages as m
from drumline_protocol import wire
from drumline_protocol.codec_builtin import Named
from drumline_protocol.failure import describe

RUN, TASK, WORKER, TOKEN = "run-1", "27d28716-79b1-920c-9b37-e7632a7f95c2", "worker-1", "token"
ATTEMPT = (RUN, TASK, 1, WORKER)
NS = ("sub:27d28716-79b1-920c-9b37-e7632a7f95c2",)

FAILURE = describe(ValueError("boom", 1), CODEC)
SKETCH = f.Sketch(
    "g", "text", ["text"], {"a": f.NodeSketch(["text"], ("branch:to:a",), "gpu", {"k": 1}, ("t",))}, {"left": "Steps"}
)
WRITES = [("text", "x"), ("docs", [Point(1, Frozen("f"))]), ("__tasks__", Send("a", {"n": 1}))]
ITEM = wire.encode_item(CODEC, f.CUSTOM, {"token": "hi"}, None)
PLANNED = [
    f.PlannedTask(TASK, "a", ("__pregel_pull", "a"), ("branch:to:a",)),
    f.PlannedTask(TASK, "b", ("__pregel_push", ("__pregel_pull", "a"), 2, False), ("__tasks__",), {"n": 1}, True),
]
SHARED = m.RunShared(RUN, "g", "fp", 3, {"tags": ["t"], "recursion_limit": 25}, None, ("values",), True)

INBOX: list[Any] = [
    m.RunRequest(
        RUN, "g", {"text": "x"}, {"tags": ["t"], "metadata": {"k": 1}}, None, ("values", "custom"), True, "fp"
    ),
    m.RunRequest(RUN, "g", CODEC.box({"text": "x"}), {"configurable": {"thread_id": "1"}}),
    m.RunRequest(RUN, "g", None, within="r0", below=m.TaskThread("", {}, True, {"q": "yes"}, [b"row"])),
    m.CancelRun(RUN, "enough \ud800"),
    m.DeleteRun(RUN),
    m.Events(*ATTEMPT, 0, [ITEM, ITEM], TOKEN),
    m.TaskResult(*ATTEMPT, CODEC.box([list(pair) for pair in WRITES]), TOKEN, 2),
    m.TaskCall(*ATTEMPT, 0, "add", CODEC.box([[1, "x"], {"b": None}]), ("add", "d1"), "app:add:add", TOKEN, 3),
    m.TaskCall(*ATTEMPT, 1, "add", Named("run-1:n-1-0", 9000), ("add", "d2"), "app:add:add#2", TOKEN),
    m.TaskError(*ATTEMPT, FAILURE, TOKEN, 0),
    m.TaskError(*ATTEMPT, FAILURE, TOKEN, 0, retry_ms=500.0),
    m.TaskError(*ATTEMPT, FAILURE, TOKEN, 0, unfit_answer=2),
    m.TaskError(*ATTEMPT, FAILURE, TOKEN, 0, unfit_answer=-1),
    m.TimerDue(RUN, TASK, 2),
    m.CancelRun(RUN, "stop", takes_back=True),
    m.DrainRun(RUN, "deploy"),
    m.TaskBubbled(*ATTEMPT, CODEC.box(Command(goto="b", update={"text": "y"}, graph=Command.PARENT)), TOKEN, 0),
    m.TaskInterrupt(*ATTEMPT, CODEC.box([Interrupt("sure?", "id")]), TOKEN, 0),
    m.Refused(*ATTEMPT, "no such graph", TOKEN),
    m.AttemptLost(RUN, TASK, 1, "nobody renewed it"),
    m.AttemptLost(RUN, "", 0, "no task of the run is in a stream"),
    m.WorkersChanged(3),
    m.RunDamaged(RUN, "its log is gone"),
    m.ThreadSaves(RUN, "thread", "", [b"row"], "g"),
    m.DeleteThread(RUN, "thread"),
    m.PruneThread(RUN, "thread", {"max_age": 3.5, "keep": "latest"}, own=True),
    m.DescribeThread(RUN, "thread", {"title": "of the talk"}, "refuse"),
    m.TaskInterrupt(*ATTEMPT, CODEC.box([Interrupt("sure?", "id")]), TOKEN, 0, [b"row"]),
]
TASKS: list[Any] = [
    m.TaskMessage(
        CODEC.box(wire.to_row(SHARED)), (), "a", TASK, 1, 1, 25, ("__pregel_pull", "a"), ("branch:to:a",), "run",
        {"text": CODEC.box("x")}, None, None, {"docs": "blob-1"}, TOKEN,
    ),
    m.TaskMessage(
        CODEC.box(wire.to_row(SHARED)), NS, "b", TASK, 2, 3, 25, ("__pregel_push", 0, False), (), "route",
        {}, {"n": 1}, [list(pair) for pair in WRITES],
    ),
    m.TaskMessage(
        CODEC.box(wire.to_row(SHARED)), NS, "a", TASK, 1, 1, 25, ("__pregel_pull", "a"), (), "run", {},
        answers=["yes"], below=m.TaskThread("c1", {"": "c0"}, True, {"q": "yes"}, [b"row"]),
    ),
    m.TaskMessage(
        CODEC.box(wire.to_row(SHARED)), NS, "add", TASK, 1, 1, 25,
        ("__pregel_push", ("__pregel_push", ("__pregel_pull", "entry"), 0, True), 2, True), (), "run", {},
        CODEC.box([[1], {}]), code="app:add:add", callers=("entry:t0", "s:t1"), calls_from=3,
    ),
]  # fmt: skip
CTL: list[Any] = [
    m.Cancel(RUN, (TASK,)),
    m.Cancel(RUN),
    m.CallEnded(RUN, TASK, 1, 0, CODEC.box([["__return__", 2]])),
    m.CallEnded(RUN, TASK, 1, 0, [["__return__", 2]]),
    m.CallEnded(RUN, TASK, 2, 1, error=FAILURE),
    m.CallEnded(RUN, TASK, 2, 1, interrupts=[Interrupt("sure?", "id")]),
]
SHAREDS: list[Any] = [SHARED]
FACTS: list[Any] = [
    f.RunStarted(RUN, "g", "fp", ("values",), {"": SKETCH, "sub": SKETCH}, {"k": 1}, ("t",), 1.5),
    f.GraphEntered((), "", {"text": "x"}),
    f.GraphEntered(NS, "sub", {}, {"sub": SKETCH}, {"k": 1}, ("t",), ["text"]),
    f.PlanMade(NS, 1, 25, PLANNED, 2.0),
    f.Emitted(TASK, 1, 0, WORKER, [ITEM]),
    f.Emitted(TASK, 1, 0, "", [(f.CUSTOM, 1, None)]),
    f.TaskFinished((), TASK, 1, WORKER, CODEC.box([list(pair) for pair in WRITES]), 3),
    f.TaskFinished((), TASK, 1, "", [list(pair) for pair in WRITES], 3.0),
    f.TaskFailed((), TASK, 1, FAILURE, 3.0, True, WORKER),
    f.TaskInterrupted((), TASK, 1, [Interrupt("sure?", "id")], 3.0, WORKER),
    f.TaskLeft(NS, TASK),
    f.TaskCalled(
        NS,
        TASK,
        "t0",
        "add",
        ("__pregel_push", ("__pregel_push", ("__pregel_pull", "entry"), 0, True), 2, True),
        [[1, "x"], {"key": [None]}],
        3.0,
        ("add", "d1"),
    ),
    f.AttemptRetracted((), TASK, 1, "its worker vanished", True, WORKER, 3.0),
    f.TaskParked((), TASK, "no worker"),
    f.TaskRetried((), TASK, 1, FAILURE, 4.5, 0, WORKER, 3.0),
    f.DrainRequested("deploy"),
    f.ErrorHandled(
        (), TASK, "t2", "__error_handler__a", ("__pregel_pull", "a", "node_error_handler", False), FAILURE, 4.5
    ),
    f.StepCommitted((), 1, {"text": ("s", "x"), "docs": ("+", [1]), "gone": ("x",)}, ("text", "docs"), 4.0),
    f.RunKept(7, ("late",), {"t1": [1, 3]}, 4096),
    f.GraphKept(
        (),
        "",
        2,
        {"text": "x", "docs": [1]},
        {"large": [6, 2, 3, 9000, 8000]},
        {"text": 3, "docs": 6},
        {"a": {"branch:to:a": 2}},
        None,
        ("asks", "now"),
        [
            f.TaskKept(
                "t1", "a", ("__pregel_pull", "a"), ("e",), None, "run", "PRD", 2, 1, 0, "w", 3, [["l", 1]], [], ""
            ),
            f.TaskKept(
                "t2",
                "add",
                ("__pregel_push", ("__pregel_pull", "a"), 0, True),
                ("__pregel_push",),
                CODEC.box([[1], {}]),
                "run",
                "PRF",
                1,
                0,
                0,
                "w",
                3,
                [],
                [],
                "",
                error=FAILURE,
                caller="t1",
                call=("add", "d1"),
                code="app:add:add",
                calls_made=2,
                calls_from=1,
            ),
        ],
        left=[("t3", "__return__", 2), ("t3", "__call__", ["add", "d2"])],
    ),
    f.GraphPaused((), 1, {"text": ("s", "x"), "docs": ("+", [1])}, ("text", "docs"), 4.0),
    f.Checkpointed(
        NS,
        "1f0cb1a5-1b2c-6d3e-8f00-000000000001",
        "1f0cb1a5-1b2c-6d3e-8f00-000000000000",
        "loop",
        3,
        4.0,
        {"": "1f0cb1a5-1b2c-6d3e-8f00-000000000002"},
        PLANNED,
        [(TASK, "__resume__", ["yes"])],
        {"user": "u"},
        True,
    ),
    f.InputTaken((), {"text": ("s", "x")}, (("a", ("branch:to:a",)),), 4.0, {"docs": [1, 1, 2, 3]}),
    f.GraphResumed(NS, 4.0),
    f.UpdateBegun(NS, [["a", {"text": "x"}]]),
    f.TaskAnswered(NS, TASK, ["yes", 1]),
    f.GraphExited(NS),
    f.RoutingStarted(NS, TASK, [["text", "x"]]),
    f.Noticed("late events"),
    f.RunFinished("done", None, 5.0),
    f.RunFinished("failed", FAILURE, 5.0),
    f.RunFinished("paused", None, 5.0, [b"row"], [Interrupt("ok?", "i1")]),
]
ITEMS: list[tuple[int, Any, Any]] = [
    (f.CUSTOM, {"token": "hi"}, None),
    (f.CUSTOM, [Point(1)], {"own": True}),
    (f.MESSAGE, None, {"kind": "given", "ids": ["1"]}),
    (f.MESSAGE, [{"content": "hi"}, {"k": 1}], {"kind": "chunk", "id": "1", "call": "c"}),
    (f.STREAMED, (NS, "values", {"text": "x"}), None),
    *[(f.NESTED, fact, None) for fact in FACTS],
]
#: rows of a thread's history
ROWS: list[Any] = [
    c.Checkpoint(
        "c1", "", "c0", "loop", 2, 4.0, {"text": "x"}, {"text": 3}, {"a": {"text": 2}}, ("text",), PLANNED,
        {"": "c0"}, {"user": "u"}, "fp", {"docs": [3, 1, 2, 300, 400]},
    ),
    c.TaskWrites(
        "", "c1", TASK, [("text", "x"), ("__interrupt__", [Interrupt("sure?", "id")])], ("__pregel_pull", "a")
    ),
]  # fmt: skip
EVERYTHING = [*ROWS, *INBOX, *TASKS, *CTL, *SHAREDS, *FACTS]
