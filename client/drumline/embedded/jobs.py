"""From the machine's tasks to jobs and back, inside one process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from drumline.embedded.calling import EmbeddedCalls
from drumline.embedded.strict import StrictWire
from drumline.views import View
from drumline_coordinator.checkpointing import late_writes
from drumline_coordinator.effects import Effects
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.constants import PUSH
from drumline_graph.errors import NodeError
from drumline_graph.functional import tasks_exist
from drumline_graph.program import Node
from drumline_graph.warnings import RunWarning
from drumline_protocol.checkpoints import Save
from drumline_protocol.codec import Codec
from drumline_protocol.facts import Fact, Noticed, RunFinished
from drumline_protocol.graph_codecs import table_of
from drumline_protocol.messages import Events, RunRequest, TaskCall, TaskResult
from drumline_worker.context import TaskContext
from drumline_worker.job import Fate, Job
from drumline_worker.runtime import RunControl

if TYPE_CHECKING:
    from drumline.embedded.run_span import RunSpan
    from drumline.embedded.threads import OpenThread
    from drumline.tracing.run import RunTrace

#: name of the one executor of an embedded run
EXECUTOR = "embedded"

#: in a driver's queue, in place of a task: what comes with it is a `TaskCall`
CALL = object()
#: a timer that has rung
TIMER = object()

#: of a pool whose tasks are counted elsewhere
THREADS_MAX = 2**16

#: takes (task, item): one event of a running task
Put = Callable[[Task, tuple[int, Any, Any]], None]


def now_ms() -> float:
    """Milliseconds since the epoch."""
    return time.time() * 1000


class Embedded:
    """One run inside this process: the machine, the view of its caller, and a way to the stream around it, if any."""

    def __init__(
        self,
        run: Run,
        request: RunRequest,
        view: View,
        *,
        context: Any,
        forward: Callable[[Fact], None] | None,
        strict: StrictWire | None,
        caller: TaskContext | None = None,
        trace: RunTrace | None = None,
        thread: OpenThread | None = None,
        store: Any = None,
        control: RunControl | None = None,
        span: RunSpan | None = None,
    ) -> None:
        self.run = run
        #: its span; None if nobody asks for spans
        self.span = span
        self._spans = None if span is None else span.tasks
        self.view = view
        self.failure: BaseException | None = None
        #: how the run has ended
        self.status = "done"
        self._request = request
        self._context = context
        self._store = store
        self._control = control
        run.control = control
        self._cache = run.program.cache or (None if caller is None else caller.job.cache)
        self._strict = strict
        self._forward = forward
        #: what callback handlers hear; None if there are none
        self.trace = trace
        #: the task whose node called this graph
        self.above = caller
        #: the thread that the run is on, if it is on one
        self.thread = thread
        self._closed = False
        #: calls of `@task`s; the driver makes it
        self.calling: EmbeddedCalls | None = None

    @property
    def cancelled(self) -> bool:
        """Nobody reads this run any more (`Fate`)."""
        return self._closed or (self._fate_above is not None and self._fate_above.cancelled)

    @property
    def lost(self) -> bool:
        """Another worker has the task that called this graph (`Fate`)."""
        return self._fate_above is not None and self._fate_above.lost

    @property
    def repeats(self) -> bool:
        """An embedded run has one attempt (`Fate`)."""
        return False

    @property
    def _fate_above(self) -> Fate | None:
        return None if self.above is None else self.above.job.fate

    def waits(self, begins: bool) -> None:
        """A node waits for a run elsewhere, and so does the node that called this graph (`Fate`)."""
        if self._fate_above is not None:
            self._fate_above.waits(begins)

    def close(self) -> None:
        """Nobody reads on: what still runs is for nothing."""
        self._closed = True
        if self.calling is not None:
            self.calling.abandon()

    def let_go(self) -> None:
        """The run and its driver are done. What keeps each other here would wait for the garbage collector."""
        self.calling = None
        self.run.state.let_go()

    @property
    def counts_callers(self) -> bool:
        """Whether tasks run at once up to `max_concurrency`, and callers that wait beyond it.

        Then each task that was sent must have a thread: one that waits for a thread would count as running.
        """
        return tasks_exist() and self.run.state.max_open > 0

    @property
    def live(self) -> bool:
        """Whether somebody waits for events while a task runs, so that it must not run on the caller's thread."""
        shared = self.run.shared
        if self.run.program.eager or tasks_exist() or self.run.program.limits_steps:
            return True
        return self._forward is not None or shared.subgraphs or not _LIVE.isdisjoint(shared.recorded)

    def start(self) -> Effects:
        """The effects that begin the run."""
        if self._strict is not None:
            self._request.input = self._strict.input(self._request.input)
        return self.run.start(self._request, now_ms())

    def handle(self, event: Any) -> Effects:
        """The effects of an event."""
        if self._strict is not None:
            task = self.run.state.tasks.get(event.task)
            event = self._strict.event(event, "" if task is None else task.name)
        return self.run.handle(event, now_ms())

    def late(self, answers: Iterable[Any]) -> list[Save]:
        """What the thread keeps of sync nodes that came to their end behind their run: a resume does not run those."""
        found: list[Save] = []
        for answer in answers:
            task = self.run.state.tasks.get(answer.task) if type(answer) is TaskResult else None
            if task is not None and task.is_sent and task.attempt == answer.attempt and task.scope.lasts:
                found.append(late_writes(task, answer.writes))
        return found

    def take_call(self, call: TaskCall) -> Effects:
        """The effects of a call of a `@task`."""
        effects = self.handle(call)
        assert self.calling is not None
        self.calling.answer_known(call)
        return effects

    def items(self, facts: Sequence[Fact]) -> list[Any]:
        """What facts add to the stream. Remembers how the run ended, and answers calls of `@task`s."""
        if self.calling is not None and self.calling.waiting:
            self.calling.settle(facts)
        if self.thread is not None:
            facts = self.thread.shown(facts)
        forward, trace = self._forward, self.trace
        for fact in facts:
            if trace is not None:
                trace.fold(fact)
            if forward is not None:
                forward(fact)
            kind = type(fact)
            if kind is RunFinished:
                self.failure = self._raised(fact.control or fact.error)  # type: ignore[union-attr]
                self.status = fact.status  # type: ignore[union-attr]
            elif kind is Noticed:
                warnings.warn(fact.text, RunWarning, stacklevel=4)  # type: ignore[union-attr]
        return self.view.fold_all(facts if self._strict is None else map(self._strict.fact, facts))

    def _raised(self, error: BaseException | None) -> BaseException | None:
        raised_as = self.run.program.raised_as
        return error if error is None or raised_as is None else raised_as(error)

    def job(self, task: Task, put: Put) -> Job:
        """The job that runs one attempt of a task; its events go to `put`."""
        scope = task.scope

        def emit(kind: int, payload: Any, header: Any) -> None:
            put(task, (kind, payload, header))

        job = Job(  # the fields in their order: with their names it takes twice as long
            scope.program,
            task.node,
            self.run.shared,
            scope.ns,
            task.id,
            task.attempt,
            scope.step,
            scope.stop,
            task.path,
            task.triggers,
            task.phase,
            task.input,
            self._context,
            scope.state.cells,
            task.writes,
            emit,
            EXECUTOR,
            self.run.state.root_ns,
            () if scope.parent is None else _nodes_above(scope),
            None,  # pushed
            self,
            None if self.trace is None else self.trace.tracing,
            self._control,
            scope.program.cache or self._cache,
            self._store,
            self.calling,
            task.first_ms,
        )
        if task.node.branches:
            job.merges = scope.state.merges
        if self._spans is not None:
            job.spans = self._spans
        if self.thread is not None:
            job.answers, job.thread = task.answers, self.thread.below(task)
        node = task.node
        if node.timeout is not None or node.cache is not None or task.path[0] == PUSH or task.failed or task.tries > 1:
            self._add_unusual(job, task)
        return job if self._strict is None else self._strict.job(job, task)

    def _add_unusual(self, job: Job, task: Task) -> None:
        """What a job of a policy, a `Send`, an error handler or a call has beside what all have."""
        if task.caller is not None:
            job.ns = task.around
            job.depth = len(job.ns) - len(task.scope.ns)
            job.called_in = task.caller.attempt
        if task.failed:
            job.failed = NodeError(task.failed, task.error)
        if task.tries > 1:
            job.tries, job.called = task.tries, task.called
        timeout = task.sent_timeout or task.node.timeout
        if timeout is not None:
            job.timeout = timeout
        if task.node.cache is not None:
            job.codec = self._codec

    @cached_property
    def _codec(self) -> Codec:
        """The codec of the graph's values, for nodes that are cached."""
        return Codec(table_of(self.run.program))

    def burst(self, task: Task, items: list[Any]) -> Events:
        """Events of a task, as the machine takes them."""
        return Events(self.run.id, task.id, task.attempt, EXECUTOR, task.n, items)


_LIVE = frozenset({"custom", "messages", "tools"})


def _nodes_above(scope: Scope) -> tuple[Node, ...]:
    """The subgraph nodes that a graph runs in, outermost first."""
    nodes: tuple[Node, ...] = ()
    while scope.parent is not None:
        nodes = (scope.parent.node, *nodes)
        scope = scope.parent.scope
    return nodes
