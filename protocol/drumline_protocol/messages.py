"""Messages: what goes through an inbox, a task stream and the control stream.

==============  ======================  =======================================================================
message         from -> to              meaning
==============  ======================  =======================================================================
RunRequest      client -> coordinator   start this run
CancelRun       client -> coordinator   end this run now
DrainRun        client -> coordinator   let this run stop at the end of its superstep
DeleteRun       client -> coordinator   end this run now, and keep nothing of it
ThreadSaves     client -> coordinator   add this to a thread
DeleteThread    client -> coordinator   keep nothing of a thread
PruneThread     client -> coordinator   drop what is too old or too much of a thread (keepers ask so too)
DescribeThread  client -> coordinator   note metadata of a thread, or make one
Events          worker -> coordinator   what a node emitted, in order
TaskResult      worker -> coordinator   a task's writes
TaskError       worker -> coordinator   a task raised
TaskBubbled     worker -> coordinator   a task returned `Command(graph=Command.PARENT)`
TaskInterrupt   worker -> coordinator   a task called `interrupt()`: it waits for an answer of the caller
Refused         worker -> coordinator   this worker cannot run the task (it lacks the graph); nothing was run
TaskCall        worker -> coordinator   the code of a task calls a `@task`
AttemptLost     keeper -> coordinator   nobody has renewed the task's entry for longer than its lease
TimerDue        keeper -> coordinator   a task has waited long enough for its next try
WorkersChanged  keeper -> coordinator   parked tasks may try again
RunDamaged      keeper -> coordinator   the record or the log of an open run is gone: it cannot go on
TaskMessage     coordinator -> worker   run this task
Cancel          coordinator -> worker   stop these tasks (on the control stream)
CallEnded       coordinator -> worker   what became of a call of a `@task` (on the control stream)
==============  ======================  =======================================================================

The embedded mode hands the same objects to the machine with live values inside.

What a worker says of an attempt carries the `token` of that attempt, which came with its `TaskMessage`: who does not
have the entry cannot speak for the task. An answer tells in `events` how many events the attempt emitted before it, so
that a lost burst is noticed (-1: they are not counted, as in the embedded mode). The answer takes a number among the
events, so that events which come behind a lost answer are a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drumline_graph.types import TimeoutPolicy
from drumline_protocol.task_calls import CallEnded as CallEnded
from drumline_protocol.task_calls import TaskCall as TaskCall
from drumline_protocol.thread_messages import NO_ANSWER as NO_ANSWER
from drumline_protocol.thread_messages import DeleteThread as DeleteThread
from drumline_protocol.thread_messages import DescribeThread as DescribeThread
from drumline_protocol.thread_messages import PruneThread as PruneThread
from drumline_protocol.thread_messages import TaskThread as TaskThread
from drumline_protocol.thread_messages import ThreadSaves as ThreadSaves


@dataclass(slots=True)
class RunRequest:
    """A run to start. `recorded` names the stream modes to record; `subgraphs` whether child events are among them.

    `config` holds the plain parts of a LangGraph config: tags, metadata, configurable, recursion_limit,
    max_concurrency, run_name. `fingerprint` is None when the client does not hold the graph. `is_async` tells that the
    caller is: nodes that have a sync and an async implementation then run the async one. `digest` tells this request
    from others of the same run id (`request_digest`).
    """

    run_id: str
    graph: str
    input: Any
    config: dict[str, Any] = field(default_factory=dict)
    context: Any = None
    recorded: tuple[str, ...] = ()
    subgraphs: bool = True
    fingerprint: str | None = None
    is_async: bool = False
    digest: str = ""
    #: what to do if the run's thread is busy (`multitask.STRATEGIES`); "": as the cluster does by itself
    strategy: str = ""
    #: nodes that the run stops in front of, and behind
    stops_before: tuple[str, ...] = ()
    stops_after: tuple[str, ...] = ()
    #: the run whose node asks and waits: it holds the thread that `config` names, so this one is on none
    within: str = ""
    #: why it is to stop before its first superstep, if its caller has asked for that already; "": it is not
    drain: str = ""
    #: the trace that it is asked for in (`trace_context`); "": none
    traceparent: str = ""
    tracestate: str = ""
    #: how long after it was accepted it begins; 0: at once
    after_ms: int = 0
    #: of a run that the code of a task waits for: where that task stands, and what the run has left before (`left`)
    below: TaskThread | None = None


@dataclass(slots=True)
class CancelRun:
    """End a run now; `reason` is told to its readers. `takes_back`: nothing that it has added to its thread stays."""

    run: str
    reason: str = ""
    takes_back: bool = False


@dataclass(slots=True)
class DrainRun:
    """Let a run stop at the end of its open superstep; `reason` is told to its readers."""

    run: str
    reason: str = ""


@dataclass(slots=True)
class DeleteRun:
    """End a run now, if it has not ended, and keep nothing of it: no record, no log, no value."""

    run: str


@dataclass(slots=True)
class StopRun:
    """In the coordinator: end a run on a thread when its superstep is over, and keep what it has done."""

    run: str


@dataclass(slots=True)
class Events:
    """A burst of events of one attempt; `n` numbers the first of `items` within the attempt."""

    run: str
    task: str
    attempt: int
    executor: str
    n: int
    items: list[Any]
    token: str = ""


@dataclass(slots=True)
class TaskResult:
    """A task's writes: `(channel, value)` pairs, in order, boxed on a wire."""

    run: str
    task: str
    attempt: int
    executor: str
    writes: Any
    token: str = ""
    events: int = -1
    #: it took the answer that was for whoever asks next
    took: bool = False
    #: as in `TaskError`
    rows: list[bytes] = field(default_factory=list)
    #: a cache had them: the node did not run
    cached: bool = False
    #: in the coordinator: what it has read of the large values that `writes` names, by the names of their blobs
    values: dict[str, Any] | None = None


@dataclass(slots=True)
class TaskError:
    """A task raised: an exception (embedded) or a `Failure` (wire)."""

    run: str
    task: str
    attempt: int
    executor: str
    error: Any
    token: str = ""
    events: int = -1
    #: what graphs that its code has called add to the run's thread, as `ThreadSaves.rows`
    rows: list[bytes] = field(default_factory=list)
    #: as in `TaskResult`
    took: bool = False
    #: milliseconds until the node is to be tried again; -1: it is not
    retry_ms: float = -1.0
    #: how many graphs the code of the node has called in all tries
    called: int = 0
    #: of a node that is tried again: as in `TaskInterrupt`
    answers: list[Any] = field(default_factory=list)
    #: which of the task's answers had not the form that was asked for, from 1 on; 0: none; -1: one of a called graph
    unfit_answer: int = 0


@dataclass(slots=True)
class TaskBubbled:
    """A task returned `Command(graph=Command.PARENT)`: the command is for the graph above."""

    run: str
    task: str
    attempt: int
    executor: str
    command: Any
    token: str = ""
    events: int = -1
    #: as in `TaskResult`
    took: bool = False
    rows: list[bytes] = field(default_factory=list)
    values: dict[str, Any] | None = None


@dataclass(slots=True)
class TaskInterrupt:
    """A task called `interrupt()`. `interrupts` is a list of `Interrupt`s, boxed on a wire.

    `answers`: what its earlier questions took of an answer that was for whoever asks next.
    """

    run: str
    task: str
    attempt: int
    executor: str
    interrupts: Any
    token: str = ""
    events: int = -1
    answers: list[Any] = field(default_factory=list)
    #: as in `TaskError`
    rows: list[bytes] = field(default_factory=list)
    #: as in `TaskResult`
    took: bool = False


@dataclass(slots=True)
class Refused:
    """This worker cannot run the task (it lacks the graph, or this version of it, or holds another suspect): nothing
    was run. `values_gone`: the cell store lacks what the task's message names.
    """

    run: str
    task: str
    attempt: int
    executor: str
    reason: str
    token: str = ""
    values_gone: bool = False


@dataclass(slots=True)
class AttemptLost:
    """Nobody renewed the entry of this attempt for longer than a lease, or the entry is gone.

    `proof` is the digest of the attempt's token, as the run record has it: workers, who may write into an inbox too,
    cannot read that. `died` tells that a worker held the entry, and vanished.
    """

    run: str
    task: str
    attempt: int
    reason: str
    proof: str = ""
    died: bool = False


@dataclass(slots=True)
class TimerDue:
    """The time has come for which this attempt of a task waits. 0: the time of the superstep whose first task it is."""

    run: str
    task: str
    attempt: int


@dataclass(slots=True)
class WorkersChanged:
    """A worker came (or came back with other graphs): tasks that wait for one may be dispatched again."""

    partition: int


@dataclass(slots=True)
class RunDamaged:
    """The record or the log of an open run is gone, or is something else: the run cannot go on. `reason` says what."""

    run: str
    reason: str


@dataclass(slots=True)
class RunShared:
    """What all tasks of a run have in common; encoded once per run.

    `names` tells that its coordinator takes names of large values (`Named`) in the answers of tasks.
    """

    run_id: str
    graph: str
    fingerprint: str
    partition: int
    config: dict[str, Any]
    context: Any
    recorded: tuple[str, ...]
    subgraphs: bool
    is_async: bool = False
    names: bool = False
    #: nodes that the run's graph stops in front of, and behind, in place of those that it was compiled with
    stops_before: tuple[str, ...] = ()
    stops_after: tuple[str, ...] = ()
    #: the thread that the run is on, which owns its cells; "": it is on none
    thread: str = ""
    #: the namespace of the graph that is run: one within `graph`, if its state is changed from outside
    ns: tuple[str, ...] = ()
    #: When the owner of the run's values was made, its thread or the run itself: the low 32 bits of a time in ms. An
    #: owner that was deleted and made anew gives its values the same names; who keeps values must not mix them up.
    made: int = 0
    #: the span that the run is in a trace, or the one that it was asked for in (`trace_context`); "": none
    traceparent: str = ""
    tracestate: str = ""


@dataclass(slots=True)
class TaskMessage:
    """Run this task.

    `cells` holds the raw cells that the node (PULL) and its routers read; `named` names the versions of those too large
    to travel along, as (cell, version, version of the base), `blobs` those that lie in a blob each. `arg` is the
    argument of a `Send`. In phase `route` only the routers run, after `writes`. In `cells`, `arg` and `writes` a
    `Named` may stand for a large value. A task that is to run `alone` is suspected of killing its workers.
    """

    shared: Any
    ns: tuple[str, ...]
    node: str
    task: str
    attempt: int
    step: int
    stop: int
    path: tuple[Any, ...]
    triggers: tuple[str, ...]
    phase: str
    cells: dict[str, Any]
    arg: Any = None
    writes: Any = None
    blobs: dict[str, str] = field(default_factory=dict)
    token: str = ""
    alone: bool = False
    named: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    #: what the task's questions were answered so far, in their order
    answers: list[Any] = field(default_factory=list)
    #: of a run on a thread: what graphs that the task's code calls must know
    below: TaskThread | None = None
    #: how often its node is tried now, and when it was tried first (0: now)
    tries: int = 1
    first_ms: float = 0.0
    #: how many graphs its earlier tries have called
    called: int = 0
    #: of an error handler: the node that failed, whose input it gets, and its error
    failed: str = ""
    error: Any = None
    #: the time limits that its Send has asked for; None: those of the node
    timeout: TimeoutPolicy | None = None
    #: of a called `@task`: where to find it, and the tasks that have called it, outermost first (`name:id`)
    code: str = ""
    callers: tuple[str, ...] = ()
    #: the number of the first `@task` that this try of it calls
    calls_from: int = 0
    #: the span in which it was sent, as a `traceparent`; "": none
    sent_in: str = ""
    #: of a called `@task`: the attempt of its caller
    called_in: int = 1


@dataclass(slots=True)
class Cancel:
    """Stop these tasks of a run, or all of them when `tasks` is empty."""

    run: str
    tasks: tuple[str, ...] = ()


Message = (
    RunRequest
    | CancelRun
    | DrainRun
    | DeleteRun
    | ThreadSaves
    | DeleteThread
    | PruneThread
    | DescribeThread
    | Events
    | TaskResult
    | TaskError
    | TaskBubbled
    | TaskInterrupt
    | Refused
    | TaskCall
    | AttemptLost
    | TimerDue
    | WorkersChanged
    | RunDamaged
    | TaskMessage
    | Cancel
    | CallEnded
)
