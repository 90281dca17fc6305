"""From the machine's tasks to jobs and back, inside one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from drumline.embedded.strict import StrictWire
from drumline.views import View
from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import Task
from drumline_protocol.facts import NESTED, GraphEntered, RunFinished, RunStarted
from drumline_protocol.messages import Events, RunRequest
from drumline_worker.context import TaskContext
from drumline_worker.job import Job

#: name of the one executor of an embedded run
EXECUTOR = "embedded"

#: takes (task, item): one event of a running task
Put = Callable[[Task, tuple[int, Any, Any]], None]


def now_ms() -> float:
    """Milliseconds since the epoch."""
    return time.time() * 1000


class Embedded:
    """One run inside this process: the machine, the view of its caller, and the task it was called from, if any."""

    def __init__(
        self,
        run: Run,
        request: RunRequest,
        view: View,
        *,
        context: Any,
        parent: TaskContext | None,
        strict: StrictWire | None,
    ) -> None:
        self.run = run
        self.view = view
        self.failure: BaseException | None = None
        self._request = request
        self._context = context
        self._strict = strict
        self._parent = parent
        self._sketches: Any = None
        if parent is not None and not (
            parent.job.shared.subgraphs and parent.job.shared.record
        ):
            self._parent = None

    @property
    def live(self) -> bool:
        """Whether somebody waits for events while a task runs, so that it must not run on the caller's thread."""
        shared = self.run.shared
        return self._parent is not None or shared.subgraphs or not _LIVE.isdisjoint(shared.record)

    def start(self) -> Effects:
        """The effects that begin the run."""
        if self._strict is not None:
            self._request.input = self._strict.pass_through(self._request.input)
        return self.run.start(self._request, now_ms())

    def handle(self, event: Any) -> Effects:
        """The effects of an event."""
        if self._strict is not None:
            event = self._strict.event(event)
        return self.run.handle(event, now_ms())

    def items(self, effects: Effects) -> list[Any]:
        """What the effects add to the stream. Remembers how the run ended."""
        out: list[Any] = []
        fold, strict = self.view.fold, self._strict
        for fact in effects.facts:
            if self._parent is not None:
                self._forward(fact)
            if type(fact) is RunFinished:
                self.failure = fact.error
            out.extend(fold(fact if strict is None else strict.fact(fact)))
        return out

    def _forward(self, fact: Any) -> None:
        """A graph that a node called: its facts join the stream of the node's own run."""
        assert self._parent is not None
        if type(fact) is RunStarted:
            self._sketches = fact.sketches
        elif type(fact) is not RunFinished:
            if type(fact) is GraphEntered and fact.sketches is None:
                fact.sketches = self._sketches
            self._parent.job.emit(NESTED, fact, None)

    def job(self, task: Task, put: Put) -> Job:
        """The job that runs one attempt of a task; its events go to `put`."""
        scope = task.scope

        def emit(kind: int, payload: Any, header: Any) -> None:
            put(task, (kind, payload, header))

        job = Job(
            program=scope.program,
            node=task.node,
            shared=self.run.shared,
            ns=scope.ns,
            task=task.id,
            attempt=task.attempt,
            step=scope.step,
            stop=scope.stop,
            path=task.path,
            triggers=task.triggers,
            phase=task.phase,
            input=task.input,
            context=self._context,
            cells=scope.state.cells,
            writes=task.writes,
            emit=emit,
            executor=EXECUTOR,
        )
        return job if self._strict is None else self._strict.job(job, task)

    def burst(self, task: Task, items: list[Any]) -> Events:
        """Events of a task, as the machine takes them."""
        return Events(self.run.id, task.id, task.attempt, EXECUTOR, task.n, items)


_LIVE = frozenset({"custom", "messages"})
