"""Facts of single tasks: what is heard of them, and what the machine decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drumline_protocol.kept_facts import Namespace

#: kinds of an item in `Emitted.items`: a custom event, a message, a fact of a graph that a node called, and an item
#: `(ns, mode, payload)`: of a tool, or of a stream that another engine made (with a header: of its task's own graph)
CUSTOM, MESSAGE, NESTED, STREAMED = 0, 1, 2, 3


@dataclass(slots=True)
class Emitted:
    """A burst of events of one attempt: counts as `len(items)` facts.

    An item is `(kind, payload, header)`, or its encoded bytes on a cluster. `n` is the number of the first item
    within the attempt.
    """

    task: str
    attempt: int
    n: int
    executor: str
    items: list[Any]


@dataclass(slots=True)
class TaskFinished:
    """The first result of the bound attempt: `writes` is a list of `(channel, value)`, with names of large values."""

    ns: Namespace
    task: str
    attempt: int
    executor: str
    writes: Any
    at_ms: float
    #: an earlier run of the thread, or a cache, had the result: the task did not run now
    cached: bool = False
    #: in a process that has read the large values: the same list with those that it needs in their places
    opened: Any = None


@dataclass(slots=True)
class TaskFailed:
    """A task failed for good. `error` is an exception (embedded) or a `Failure` (cluster).

    `waits`: an answer has not the form that was asked for. The run fails when the other tasks of the superstep have
    ended. `executor` is who had the attempt; empty: nobody was heard of.
    """

    ns: Namespace
    task: str
    attempt: int
    error: Any
    at_ms: float
    waits: bool = False
    executor: str = ""


@dataclass(slots=True)
class ErrorHandled:
    """Task `task` has failed, and its node's error handler runs in its place: task `id` of node `name`, at `path`.

    It belongs to the same superstep, and gets what the failed task got. `error` is as in `TaskFailed`, which stands
    before it unless the task had failed in an earlier run of the thread.
    """

    ns: Namespace
    task: str
    id: str
    name: str
    path: tuple[Any, ...]
    error: Any
    at_ms: float


@dataclass(slots=True)
class TaskInterrupted:
    """A task asks the caller: it has no result. `interrupts` is a list of `Interrupt`s.

    Its superstep does not end in a next one: when the other tasks are done, the graph pauses, and with it the run.
    `executor` is as in `TaskFailed`.
    """

    ns: Namespace
    task: str
    attempt: int
    interrupts: Any
    at_ms: float
    executor: str = ""


@dataclass(slots=True)
class TaskLeft:
    """A child graph's task ended by `Command(graph=Command.PARENT)`: it has no result of its own."""

    ns: Namespace
    task: str


@dataclass(slots=True)
class TaskCalled:
    """The code of task `caller` calls a `@task`: one more task of the open superstep of the graph at `ns`.

    `path` ends with the number of the call among those of its caller. `args` are the arguments by position and by name.
    They may be the `Named` of a blob. `call` tells one call from another when the caller runs again: the name, and a
    digest of the arguments.
    """

    ns: Namespace
    task: str
    caller: str
    name: str
    path: tuple[Any, ...]
    args: Any
    at_ms: float
    call: tuple[str, ...] = ()
    #: on a cluster: where workers find the `@task`
    code: str = ""
    #: on a cluster: the parameters of the arguments by position (`TaskCode.params_of`)
    params: tuple[str, ...] = ()
    #: in one process: the node that it runs as
    node: Any = None


@dataclass(slots=True)
class AttemptRetracted:
    """Attempt `attempt` is void; the task runs again as the next one. What it emitted was not its result's.

    `died` tells that its worker vanished with it. `executor` is as in `TaskFailed`. `at_ms`: when it was decided.
    """

    ns: Namespace
    task: str
    attempt: int
    reason: str
    died: bool = False
    executor: str = ""
    at_ms: float = 0.0


@dataclass(slots=True)
class TaskRetried:
    """Attempt `attempt` of a task failed; its node is tried again, as the next attempt, not before `due_ms`.

    What the attempt emitted stays. `error` and `executor` are as in `TaskFailed`. `at_ms`: when it was decided.
    """

    ns: Namespace
    task: str
    attempt: int
    error: Any
    due_ms: float
    #: how many graphs its node has called so far: the next try numbers its own from there
    called: int = 0
    executor: str = ""
    at_ms: float = 0.0


@dataclass(slots=True)
class TaskParked:
    """No registered worker can run the task now; it waits. `reason` says what is missing.

    `values_gone`: the cell store has lost what the task's graph keeps there, so that tasks must carry it.
    """

    ns: Namespace
    task: str
    reason: str
    values_gone: bool = False


@dataclass(slots=True)
class TaskAnswered:
    """The answers that a task's questions have been given so far, in their order."""

    ns: Namespace
    task: str
    answers: list[Any]


@dataclass(slots=True)
class RoutingStarted:
    """A subgraph's node has its result; its routers run now. `writes` are those of the node so far."""

    ns: Namespace
    task: str
    writes: Any
