"""A seat at a partition whose runs are on threads."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from tests.coordinator.seat import Seat
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline_graph.types import Interrupt
from drumline_protocol.checkpoint_ids import interrupt_id
from drumline_protocol.checkpoints import Saved
from drumline_protocol.failure import rebuild
from drumline_protocol.history import History
from drumline_protocol.messages import (
    RunRequest,
    TaskInterrupt,
    TaskMessage,
)
from drumline_protocol.threads import ThreadHead, head_in

BIG = "x" * 5000


class State(TypedDict):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def program() -> Any:
    """`ask`, then `act`. What nodes do is up to the test, which answers for the workers."""
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: state)
    graph.add_node("act", lambda state: state)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "act")
    return graph.compile(name="g").program


class Talk(Seat):
    """A seat whose runs are on threads."""

    def ask(self, run: str, input: Any, thread: str = "t", *, settle: bool = True, **options: Any) -> None:
        config = {"configurable": {"thread_id": thread, **options.pop("place", {})}, **options.pop("config", {})}
        self.say(RunRequest(run, "g", self.codec.box(input), config, recorded=("custom",), **options))
        if settle:
            self.settle()

    def answer(self, run: str, *writes: Any) -> TaskMessage:
        """The worker of the one task that waits has written these values."""
        [task] = self.tasks()
        found = [["l", [value]] for value in writes]
        edges = self.apps.programs["g"].nodes[task.node].edges
        self.say(self.result(task, run, writes=[*found, *([channel, value] for channel, value in edges)]))
        self.settle()
        return task

    def question(self, run: str, value: Any = "ok?") -> str:
        """The worker of the one task that waits asks; the id of its question."""
        [task] = self.tasks()
        id_ = interrupt_id("|".join((*task.ns, f"{task.node}:{task.task}")), len(task.answers))
        asked = self.codec.box([Interrupt(value, id_)])
        self.say(TaskInterrupt(run, task.task, task.attempt, "w1", asked, task.token, 0))
        self.settle()
        return id_

    def head(self, thread: str = "t") -> ThreadHead:
        found = head_in(self.codec, thread, self.broker.load_thread(0, thread))
        assert found is not None
        return found

    def history(self, thread: str = "t") -> list[Saved]:
        rows = self.broker.read_history(0, thread)
        read: Any = lambda cells, blobs: self.broker.read_values(0, cells, blobs)  # noqa: E731
        history = History(self.codec, thread, rows, read, resolves=True)
        ids = sorted((row.checkpoint for row in rows if row.kind == "c" and not row.ns), reverse=True)
        return [saved for id_ in ids if (saved := history.get("", id_)) is not None]

    def status(self, run: str) -> str:
        end = self.end(run)
        return self.broker.load_run(0, run).get("status", b"").decode() if end is None else end.status

    def error(self, run: str) -> Any:
        end = self.end(run)
        assert end is not None
        return rebuild(end.error, ())

    def whole(self, run: str, *writes: Any) -> None:
        """Both tasks of a run are answered."""
        for value in writes:
            self.answer(run, value)
