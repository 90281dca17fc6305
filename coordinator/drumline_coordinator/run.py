"""The run machine: what a run is, which tasks come next, how writes merge, what a failure means. Pure.

One door: `Run.handle(event, now_ms)` takes one message (`drumline_protocol.messages`) and gives `Effects`. No clock, no
sockets, no threads, no ids of its own: time comes with the event, task ids are hashes. The embedded mode, the
coordinator service and the simulator all drive this class.

Theory of operation

* A run is a tree of scopes (`tasks.Scope`): the root graph, and one scope for each subgraph node that is RUNNING.
* A scope is always inside a superstep. When its last open task is DONE the step is *due*: its writes are applied
  (`drumline_graph.superstep`), the next one is planned, its tasks are opened. A scope with nothing to plan is left:
  the root ends the run, a child resolves its parent's task.
* An attempt is a decision of this machine. It binds to the first executor that is heard; whatever comes from another
  executor, a lower attempt or a finished task is dropped, and counted.
* A failed task fails its scope, its scope's parent task, and so on up to the run. Nothing is planned after that.
* An INTERRUPTED task lets its siblings end, then pauses its scope: the scope's parent task is INTERRUPTED too, and so
  on up to the run, which ends as "interrupted".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from drumline_coordinator.barrier import changes_as_data, changes_by_reference, given_ids, plan_fact
from drumline_coordinator.effects import Effects
from drumline_coordinator.idle import idle_notices
from drumline_coordinator.late import late_notice
from drumline_coordinator.passing import LEAVE, commands_of, entering_writes, returning_writes, waits_to_leave
from drumline_coordinator.sketch import child_path, sketch_program
from drumline_coordinator.tasks import (
    DONE,
    FAILED,
    INTERRUPTED,
    PARKED,
    PLANNED,
    ROUTE,
    RUNNING,
    Scope,
    Task,
)
from drumline_graph.cancelled import not_cancelled
from drumline_graph.constants import START
from drumline_graph.errors import GraphInterrupt, GraphRecursionError, NoParentGraph, ParentCommand
from drumline_graph.program import Program
from drumline_graph.superstep import Applied, Planned, apply, plan
from drumline_graph.types import Command
from drumline_graph.writes import joined
from drumline_protocol.codec import unbox
from drumline_protocol.errors import RunCancelled, TaskAbandoned
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    GraphEntered,
    GraphLeft,
    PlanMade,
    PlannedTask,
    RunFinished,
    RunStarted,
    StepCommitted,
    TailOpened,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
)
from drumline_protocol.ids import task_id
from drumline_protocol.limits import ATTEMPTS_MAX, BEGINNINGS_MAX, DISPATCH_WINDOW_ENTRIES_MAX
from drumline_protocol.messages import (
    Abandoned,
    CancelRun,
    Events,
    Refused,
    RunRequest,
    RunShared,
    TaskBubbled,
    TaskError,
    TaskInterrupt,
    TaskResult,
    WorkersChanged,
)
from drumline_protocol.metadata import run_metadata
from drumline_protocol.wire import decode_command, decode_interrupts, decode_writes

#: LangGraph's default; `config["recursion_limit"]` overrides it
RECURSION_LIMIT = 10_007

OPEN, ENDED = "open", "ended"


class Run:
    """One run of one graph.

    `ns` is the namespace of its root: not empty for a graph that a node called. `wire=True` tells what changed in a
    channel as a delta; False passes cells by reference.
    """

    def __init__(
        self,
        program: Program,
        shared: RunShared,
        *,
        ns: tuple[str, ...] = (),
        wire: bool = False,
    ) -> None:
        self.program = program
        self.base = ns
        self.shared = shared
        self.id = shared.run_id
        self.wire = wire
        self.status = OPEN
        self.root: Scope | None = None
        self.tasks: dict[str, Task] = {}
        self.late = 0
        self.told: set[tuple[str, str]] = set()
        #: (attempt, events heard) of the tasks of the superstep that was committed last
        self.heard: dict[str, tuple[int, int]] = {}
        config = shared.config
        self.limit: int = config.get("recursion_limit") or RECURSION_LIMIT
        self.max_open: int = config.get("max_concurrency") or 0
        self.running = 0
        self.ready: deque[Task] = deque()
        self.due: deque[Scope] = deque()
        self._fx = Effects()
        self._now = 0.0

    # -- the door ---------------------------------------------------------------------------------

    def start(self, request: RunRequest, now_ms: float) -> Effects:
        """Begin: facts of the first superstep(s) and the first tasks. A refused input ends the run at once."""
        fx = self._begin(now_ms)
        shared = self.shared
        fx.facts.append(
            RunStarted(
                run_id=self.id,
                graph=shared.graph,
                fingerprint=shared.fingerprint,
                record=shared.record,
                sketches=sketch_program(self.program),
                metadata=run_metadata(shared.config),
                tags=tuple(shared.config.get("tags") or ()),
                at_ms=now_ms,
                subgraphs=shared.subgraphs,
                digest=request.digest,
            )
        )
        try:
            self.root = Scope(self.program, self.base, "", self.limit, None)
            self._enter(self.root, request.input)
            self._settle()
        except BaseException as error:  # of a reducer or a schema: SystemExit too is the run's, not the process's
            self._end("failed", error)
        return self._close(fx)

    def handle(self, event: Any, now_ms: float) -> Effects:
        """Take one event; the effects are all that follows from it. Errors of user code end the run, never raise."""
        fx = self._begin(now_ms)
        if self.status is OPEN:
            try:
                _HANDLERS[type(event)](self, event)
                self._settle()
            except BaseException as error:
                self._end("failed", error)
        return self._close(fx)

    def more(self, now_ms: float) -> Effects:
        """The next window of tasks, after effects that said `more`."""
        return self._close(self._begin(now_ms))

    def fail(self, error: BaseException, now_ms: float) -> Effects:
        """End the run with an error that is not its own."""
        fx = self._begin(now_ms)
        self._end("failed", error)
        return fx

    def _begin(self, now_ms: float) -> Effects:
        self._fx = fx = Effects()
        self._now = now_ms
        return fx

    def _close(self, fx: Effects) -> Effects:
        ready = self.ready
        if ready and self.status is OPEN:
            free = self.max_open - self.running if self.max_open else len(ready)
            count = max(0, min(len(ready), free, DISPATCH_WINDOW_ENTRIES_MAX))
            for _ in range(count):
                task = ready.popleft()
                task.status = RUNNING
                fx.dispatch.append(task)
            self.running += count
            fx.more = bool(ready) and free > count
        return fx

    def postpone(self, fx: Effects, tasks: Sequence[Task]) -> None:
        """These last tasks of `fx.dispatch` do not fit into the commit: they wait for the next window."""
        del fx.dispatch[len(fx.dispatch) - len(tasks) :]
        fx.more = True
        for task in reversed(tasks):
            task.status = PLANNED
            self.ready.appendleft(task)
        self.running -= len(tasks)

    # -- events -----------------------------------------------------------------------------------

    def _bound(self, event: Any) -> Task | None:
        """The running task that `event` speaks for, or None if it comes too late or from the wrong executor."""
        task = self.tasks.get(event.task)
        if task is not None and task.status is RUNNING and task.runs_on_worker and task.attempt == event.attempt:
            if task.executor is None:
                task.executor = event.executor
            if task.executor == event.executor:
                return task
        return None

    def _on_events(self, event: Events) -> None:
        task = self._bound(event)
        items = event.items
        if task is None:
            self._fx.facts.extend(late_notice(self, event))
            return
        n = event.n
        if n > task.n:
            self._lose(task, f"events {task.n + 1} to {n} of it were lost on their way")
            return
        if n < task.n:  # a repeat: its reply was lost
            items = items[task.n - n :]
            n = task.n
        if items:
            task.n = n + len(items)
            self._fx.facts.append(Emitted(task.id, task.attempt, n, event.executor, items))

    def _answered(self, event: TaskResult | TaskError | TaskBubbled | TaskInterrupt | Refused) -> Task | None:
        """The task whose bound executor has answered.

        With an answer the task's entry is gone. So an answer of anybody else to the open attempt, which happens when
        the broker lost track of who got the entry, leaves nobody to wait for: the attempt is void.
        """
        task = self._bound(event)
        if task is None:
            reason = f"{event.executor} answered, but another worker was heard first"
            self._on_abandoned(Abandoned(self.id, event.task, event.attempt, reason))
            return None
        if not isinstance(event, Refused) and event.events > task.n:
            self._lose(task, f"events {task.n + 1} to {event.events} of it were lost on their way")
            return None
        if not isinstance(event, Refused) and event.events >= 0:
            task.n = event.events + 1  # the answer has a number too
        self._fx.settled.append((task.id, task.attempt))
        self.running -= 1
        return task

    def _on_result(self, event: TaskResult) -> None:
        task = self._answered(event)
        if task is None:
            return
        task.writes = decode_writes(event.writes) if self.wire else unbox(event.writes)
        self._finish(task, event.writes)

    def _on_error(self, event: TaskError) -> None:
        task = self._answered(event)
        if task is None:
            return
        self._fail_task(task, event.error)

    def _on_bubbled(self, event: TaskBubbled) -> None:
        """A node answered with a Command for the graph around its own, which is left once its siblings have ended."""
        task = self._answered(event)
        if task is None:
            return
        scope = task.scope
        found = decode_command(event.command) if self.wire else unbox(event.command)
        command = replace(found, graph=None)  # it has arrived
        if scope.parent is None and not self.base:
            task.status = DONE
            self._fail_task(task, NoParentGraph(command, task.name))
            return
        if waits_to_leave(scope, task):
            scope.leaving = True
            task.writes = [(LEAVE, command)]
            self._finish(task, task.writes)
            return
        task.status = DONE
        self._fx.facts.append(TaskLeft(scope.ns, task.id))
        self._leave_with(scope, [command])

    def _leave_with(self, scope: Scope, commands: list[Command[Any]]) -> None:
        """A subgraph is left by the commands of its tasks, in planning order: they are the answer of its node."""
        if scope.parent is None:  # a graph that a node called
            self._end("failed", ParentCommand(joined(commands)))
            return
        self._leave(scope)
        self._resolve(scope.parent, commands[0] if len(commands) == 1 else commands)

    def _on_interrupt(self, event: TaskInterrupt) -> None:
        task = self._answered(event)
        if task is not None:
            self._interrupt(task, event.interrupts)

    def _on_refused(self, event: Refused) -> None:
        """Nothing ran. The task waits until a worker that holds the graph is there.

        Its next dispatch is a new attempt, so that a repeat of this refusal cannot hit it; it is not counted as lost.
        """
        task = self._answered(event)
        if task is None:
            return
        task.attempt += 1
        task.executor = None
        task.status = PARKED
        self._fx.facts.append(TaskParked(task.scope.ns, task.id, event.reason))

    def _on_workers(self, _event: WorkersChanged) -> None:
        for task in self.tasks.values():
            if task.status is PARKED:
                task.status = PLANNED
                self.ready.append(task)

    def _on_abandoned(self, event: Abandoned) -> None:
        task = self.tasks.get(event.task)
        if task is not None and task.status is RUNNING and task.runs_on_worker and task.attempt == event.attempt:
            self._lose(task, event.reason, died=event.died)

    def _lose(self, task: Task, reason: str, *, died: bool = False) -> None:
        """The attempt is void: the task runs again, unless too many were lost already.

        That a worker vanished is held against the task only when it ran alone, which it does once it has lost
        `DEATHS_IN_COMPANY_MAX` of them: others may have killed those.
        """
        self._fx.withdrawn.append((task.id, task.attempt))
        self.running -= 1
        task.lost += 1
        task.deaths += died
        if task.deaths >= ATTEMPTS_MAX or task.lost >= BEGINNINGS_MAX:
            self._fail_task(task, TaskAbandoned(task.name, task.id, task.lost, reason))
            return
        self._fx.facts.append(AttemptRetracted(task.scope.ns, task.id, task.attempt, reason, died))
        task.attempt += 1
        task.executor = None
        task.n = 0
        task.status = PLANNED
        self.ready.appendleft(task)

    def _on_cancel(self, event: CancelRun) -> None:
        self._end("cancelled", RunCancelled(self.id, event.reason))

    # -- supersteps -------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Commit every step that is due, and whatever becomes due by that."""
        due = self.due
        while due and self.status is OPEN:
            scope = due.popleft()
            if scope.left:
                continue
            try:
                self._commit(scope)
            except BaseException as error:
                if scope.parent is None:
                    raise
                self._leave(scope)
                self._fail_task(scope.parent, error)

    def _enter(self, scope: Scope, input: Any) -> None:
        """Step 0: write the input and fire START's edges, which needs no worker unless START has routers."""
        program, cells = scope.program, scope.state.cells
        keys = program.state_keys
        self._fx.facts.append(GraphEntered(scope.ns, scope.path, {key: cells[key] for key in cells if key in keys}))
        start = program.start
        id_ = task_id(self.id, scope.ns, 0, start.path_key)
        writes = [*entering_writes(scope, id_, input, wire=self.wire), *start.edges]
        task = Task(id_, START, start.path, start.path_key, start.triggers, input, start, scope)
        task.writes = writes
        scope.tasks[id_] = task
        if start.branches or start.foreign:
            scope.open = 1
            task.phase = ROUTE
            self.tasks[id_] = task
            planned = [PlannedTask(id_, START, start.path, start.triggers, writes, True)]
            self._fx.facts.append(PlanMade(scope.ns, 0, scope.stop, planned, self._now, [input]))
            self.ready.append(task)
        else:
            task.status = DONE
            self.due.append(scope)

    def _commit(self, scope: Scope) -> None:
        """The barrier: apply the step's writes, tell what changed, plan the next step."""
        done = list(scope.tasks.values())
        if any(task.status is INTERRUPTED for task in done):
            self._pause(scope, done)
            return
        if scope.leaving:
            self._leave_with(scope, commands_of(done))
            return
        applied = self._apply(scope, done)
        scope.state.advance(scope.program, applied.changes, [(task.name, task.triggers) for task in done])
        self.step_over(scope, applied.written)
        try:
            self._plan(scope, applied.updated)
        except BaseException:
            if scope.step == 0 and scope.parent is None:  # the graph refuses its input: nothing has happened
                self._fx.facts.pop()
            raise

    def _apply(self, scope: Scope, done: Sequence[Task]) -> Applied:
        """Merge the writes of these tasks and tell what they change; the state is still as it was."""
        program, state = scope.program, scope.state
        applied = apply(program, state, done)
        if self.wire:
            changes = changes_as_data(program, state.cells, applied.changes, done)
        else:
            changes = changes_by_reference(applied.changes)
        self._fx.facts.append(StepCommitted(scope.ns, scope.step, changes, applied.written, self._now))
        return applied

    def step_over(self, scope: Scope, written: Sequence[str]) -> None:
        """The step's tasks are history; its output, if it wrote any, is what the graph returns should it end now."""
        if scope.parent is not None and not scope.output_keys.isdisjoint(written):
            scope.output = scope.state.read(scope.program, scope.program.output_keys)
        self.heard = {id_: (task.attempt, task.n) for id_, task in scope.tasks.items()}
        for id_ in scope.tasks:
            self.tasks.pop(id_, None)
        scope.tasks = {}

    def _plan(self, scope: Scope, updated: set[str]) -> None:
        step = scope.step + 1
        if step > scope.stop:
            raise GraphRecursionError.of(scope.stop, namespace=scope.ns[len(self.base) :])
        planned = plan(scope.program, scope.state, updated, step=step, stop=scope.stop)
        if not planned:
            self._left(scope)
            return
        scope.step = step
        tasks = self._open(scope, planned)
        fact = plan_fact(scope, tasks, self._now)
        if not self.wire and "messages" in self.shared.record:
            fact.given = given_ids(tasks)
        self._fx.facts.append(fact)
        for task in tasks:
            if task.node.subprogram is None:
                self.ready.append(task)
            else:
                self._enter_child(task)

    def _open(self, scope: Scope, planned: Sequence[Planned]) -> list[Task]:
        nodes = scope.program.nodes
        tasks = []
        for item in planned:
            id_ = task_id(self.id, scope.ns, scope.step, item.path_key)
            task = Task(
                id_,
                item.name,
                item.path,
                item.path_key,
                item.triggers,
                item.input,
                nodes[item.name],
                scope,
            )
            self.tasks[id_] = scope.tasks[id_] = task
            tasks.append(task)
        scope.open = len(tasks)
        return tasks

    def _finish(self, task: Task, writes: Any) -> None:
        task.status = DONE
        scope = task.scope
        self._fx.facts.append(TaskFinished(scope.ns, task.id, task.attempt, task.executor or "", writes, self._now))
        scope.open -= 1
        if not scope.open:
            self.due.append(scope)

    # -- interrupts -------------------------------------------------------------------------------

    def _interrupt(self, task: Task, interrupts: Any) -> None:
        """The task waits for an answer; its siblings go on."""
        task.status = INTERRUPTED
        task.interrupts = decode_interrupts(interrupts) if self.wire else unbox(interrupts)
        scope = task.scope
        self._fx.facts.append(TaskInterrupted(scope.ns, task.id, task.attempt, interrupts, self._now))
        scope.open -= 1
        if not scope.open:
            self.due.append(scope)

    def _pause(self, scope: Scope, tasks: Sequence[Task]) -> None:
        """All tasks of the step have ended, some of them with a question: the graph, and with it the run, pauses."""
        interrupts = [item for task in tasks for item in task.interrupts]
        if scope.parent is not None:
            self._leave(scope)
            self._interrupt(scope.parent, interrupts)
        elif self.base:  # a graph that a node called: the node asks
            self._end("failed", GraphInterrupt(tuple(interrupts)))
        else:
            done = [task for task in tasks if task.status is DONE]
            if done:  # what they wrote is shown; the step itself is not over
                self._apply(scope, done)
            self._end("interrupted", None)

    # -- subgraphs --------------------------------------------------------------------------------

    def _enter_child(self, task: Task) -> None:
        scope = task.scope
        subprogram = task.node.subprogram
        assert subprogram is not None
        task.status = RUNNING
        child = Scope(
            subprogram,
            (*scope.ns, f"{task.name}:{task.id}"),
            child_path(scope.path, task.name),
            self.limit,
            task,
        )
        try:
            self._enter(child, task.input)
        except BaseException as error:
            self._leave(child)
            self._fail_task(task, error)

    def _left(self, scope: Scope) -> None:
        """The graph has nothing left to do."""
        self._fx.facts.extend(idle_notices(scope, self.told))
        if scope.parent is None:
            self._end("done", None)
            return
        self._leave(scope)
        self._resolve(scope.parent, scope.output)

    def _leave(self, scope: Scope) -> None:
        """Forget a subgraph and everything below it; what of it still runs is cancelled."""
        scope.left = True
        self._fx.facts.append(GraphLeft(scope.ns))
        depth = len(scope.ns)
        for task in [t for t in self.tasks.values() if t.scope.ns[:depth] == scope.ns]:
            self._forget(task)

    def _forget(self, task: Task) -> None:
        if task.status is RUNNING and task.runs_on_worker:
            self._fx.withdrawn.append((task.id, task.attempt))
            self._fx.cancelled.append(task.id)
            self.running -= 1
        elif task.status is PLANNED and task in self.ready:
            self.ready.remove(task)
        task.scope.left = task.scope.left or task.scope.parent is not None
        self.tasks.pop(task.id, None)

    def _resolve(self, task: Task, result: Any) -> None:
        """A subgraph's output becomes the result of its node: writes, edges, and (on a worker) routers."""
        try:
            writes = returning_writes(task, result, named=self.wire or "messages" in self.shared.record)
        except BaseException as error:
            self._fail_task(task, error)
            return
        task.writes = writes
        if task.node.branches or task.node.foreign:
            task.phase = ROUTE
            task.status = PLANNED
            self._fx.facts.append(TailOpened(task.scope.ns, task.id, writes))
            self.ready.append(task)
        else:
            self._finish(task, writes)

    # -- endings ----------------------------------------------------------------------------------

    def _fail_task(self, task: Task, error: Any) -> None:
        """The task, the tasks above it, and the run have failed."""
        error = not_cancelled(error, task.name)
        current: Task | None = task
        while current is not None:
            current.status = FAILED
            scope = current.scope
            self._fx.facts.append(TaskFailed(scope.ns, current.id, current.attempt, error, self._now))
            current = scope.parent
        self._end("failed", error)

    def _end(self, status: str, error: Any) -> None:
        if self.status is ENDED:
            return
        self.status = ENDED
        if status == "failed":
            error = not_cancelled(error, self.program.name, "a reducer or schema of graph")
        fx = self._fx
        for task in self.tasks.values():
            if task.status is RUNNING and task.runs_on_worker:
                fx.withdrawn.append((task.id, task.attempt))
                fx.cancelled.append(task.id)
        self.ready.clear()
        fx.finished = True
        fx.facts.append(RunFinished(status, error, self._now))


_HANDLERS: dict[type, Callable[[Run, Any], None]] = {
    Events: Run._on_events,
    TaskResult: Run._on_result,
    TaskError: Run._on_error,
    TaskBubbled: Run._on_bubbled,
    TaskInterrupt: Run._on_interrupt,
    Refused: Run._on_refused,
    WorkersChanged: Run._on_workers,
    Abandoned: Run._on_abandoned,
    CancelRun: Run._on_cancel,
}
