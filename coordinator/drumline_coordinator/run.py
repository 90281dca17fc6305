"""The run machine: what a run is, which tasks come next, how writes merge, what a failure means. Pure.

One door: `Run.handle(event, now_ms)` takes one message (`drumline_protocol.messages`) and gives `Effects`. No clock, no
sockets, no threads, no ids of its own: time comes with the event, task ids are hashes. The embedded mode, the
coordinator service and the simulator all drive this class.

Theory of operation

* A run is a tree of scopes (`tasks.Scope`): the root graph, and one scope for each open subgraph.
* Handlers read the state (`state.RunState`), decide, and emit facts. `fold` alone changes the state: what a fact means
  is written there once, for the live machine, for recovery and for whoever else reads a log.
* A scope is always inside a superstep. When its last open task has ended the step is *due*: its writes are merged, the
  next one is planned, its tasks are opened (`barrier`). A scope with nothing to plan ends (`nesting`, with the table
  of what that means): the root ends the run, a child resolves its parent's task.
* An attempt binds to the first executor that is heard; whatever comes from another executor, of a lower attempt or
  for a finished task is left out (`attempts`).
* A failed task fails its scope, its scope's parent task, and so on up to the run. Nothing is planned after that.
* An INTERRUPTED task lets its siblings end, then pauses its scope: the scope's parent task is INTERRUPTED too, and so
  on up to the run, which is paused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline_coordinator import attempts
from drumline_coordinator.barrier import settle
from drumline_coordinator.calling import on_call
from drumline_coordinator.draining import on_drain
from drumline_coordinator.effects import Effects
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import enter, take_input
from drumline_coordinator.resuming import begin, check_place
from drumline_coordinator.sketch import sketch_program
from drumline_coordinator.state import RUN_OPEN, RunStatus
from drumline_coordinator.task_ends import end_run
from drumline_coordinator.tasks import Task
from drumline_coordinator.updating import begin_update
from drumline_graph.types import StateUpdates
from drumline_protocol.checkpoints import joined_ns
from drumline_protocol.errors import RunCancelled
from drumline_protocol.facts import DrainRequested, RunKept, RunStarted
from drumline_protocol.messages import (
    AttemptLost,
    CancelRun,
    DrainRun,
    Events,
    Refused,
    RunRequest,
    StopRun,
    TaskBubbled,
    TaskError,
    TaskInterrupt,
    TaskResult,
    TimerDue,
    WorkersChanged,
)
from drumline_protocol.metadata import run_metadata
from drumline_protocol.task_calls import TaskCall


class Run(Machine):
    """One run of one graph.

    `ns` is the namespace of its root: not empty for a graph that a node called. `wire=True` tells what changed in a
    channel as a delta; False passes cells by reference. With a `codec` large cells go to the cell store.
    """

    __slots__ = ()

    def start(self, request: RunRequest, now_ms: float) -> Effects:
        """Begin: facts of the first superstep(s) and the first tasks. A refused input ends the run at once."""
        return self.handle(request, now_ms)

    def handle(self, event: Any, now_ms: float) -> Effects:
        """Take one event; the effects are all that follows from it. Errors of user code end the run, never raise."""
        self.fx = Effects()
        self.now_ms = now_ms
        state = self.state
        if state.status is RUN_OPEN:
            try:
                _HANDLERS[type(event)](self, event)
                if self.due or self.going_on:
                    settle(self)
                if state.ready:
                    attempts.open_window(self)
            except BaseException as error:  # of user code: SystemExit too is the run's, not the process's
                end_run(self, RunStatus.FAILED, error)
        return self.fx

    def more(self, now_ms: float) -> Effects:
        """The next window of tasks, after effects that said `more`."""
        return self.handle(None, now_ms)

    def fail(self, error: BaseException, now_ms: float) -> Effects:
        """End the run with an error that is not its own."""
        self.fx = Effects()
        self.now_ms = now_ms
        end_run(self, RunStatus.FAILED, error)
        return self.fx

    def postpone(self, fx: Effects, tasks: Sequence[Task]) -> None:
        """These last tasks of `fx.dispatch` do not fit into the commit: they wait for the next window."""
        del fx.dispatch[len(fx.dispatch) - len(tasks) :]
        fx.more = True
        attempts.postpone(self, tasks)


def _on_request(machine: Machine, request: RunRequest) -> None:
    shared = machine.shared
    machine.emit(
        RunStarted(
            run_id=machine.id,
            graph=shared.graph,
            fingerprint=shared.fingerprint,
            recorded=shared.recorded,
            sketches=sketch_program(machine.program),
            metadata=run_metadata(shared.config),
            tags=tuple(shared.config.get("tags") or ()),
            at_ms=machine.now_ms,
            subgraphs=shared.subgraphs,
            digest=request.digest,
            thread={} if machine.thread is None else machine.thread.configurable,
            ns=machine.state.root_ns,
        )
    )
    if request.drain:
        machine.emit(DrainRequested(request.drain))
    thread, root_ns = machine.thread, machine.state.root_ns
    saved = None if thread is None else thread.saved.pop(joined_ns(root_ns), None)
    if saved is None and thread is not None and request.input is not None:
        check_place(thread, joined_ns(root_ns))
    if isinstance(request.input, StateUpdates):
        begin_update(machine, saved, request.input)
        return
    if saved is None:
        if thread is not None and thread.last:  # all that it had is gone: its numbers and ids are not used again
            machine.emit(RunKept(thread.version, (), {}, 0, checkpoint=thread.last))
        enter(machine, machine.program, root_ns, "", request.input)
        return
    scope = begin(machine, saved, request.input)
    if scope is not None:
        take_input(machine, scope, request.input, saved.checkpoint.step)


def _on_cancel(machine: Machine, event: CancelRun) -> None:
    end_run(machine, RunStatus.CANCELLED, RunCancelled(machine.id, event.reason))


def _on_stop(machine: Machine, _event: StopRun) -> None:
    machine.stopping = machine.may_pause = True


def _on_nothing(_machine: Machine, _event: None) -> None:
    pass


_HANDLERS: dict[type, Callable[[Machine, Any], None]] = {
    RunRequest: _on_request,
    Events: attempts.on_events,
    TaskResult: attempts.on_result,
    TaskError: attempts.on_error,
    TaskBubbled: attempts.on_bubbled,
    TaskInterrupt: attempts.on_interrupt,
    TaskCall: on_call,
    Refused: attempts.on_refused,
    WorkersChanged: attempts.on_workers,
    TimerDue: attempts.on_timer,
    AttemptLost: attempts.on_lost,
    CancelRun: _on_cancel,
    DrainRun: on_drain,
    StopRun: _on_stop,
    type(None): _on_nothing,
}
