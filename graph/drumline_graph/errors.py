"""Errors of the graph room. Each class docstring is the page of the manual for that error.

`DrumlineError` is the root of every error that drumline raises. Where LangGraph has a class of the same name, that name
and its builtin base class (`RecursionError`, `ValueError`) are kept, so that existing `except` clauses go on working.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from drumline_graph.control import Command, Interrupt
from drumline_graph.warnings import LangGraphDeprecatedSinceV10, tell


class DrumlineError(Exception):
    """Root of all errors raised by drumline: `except DrumlineError` catches every one of them.

    Errors that user code raises inside a node pass through unchanged and are not of this class.
    """


class ErrorCode(Enum):
    """Stable codes that end an error's text, so that a log line can be searched for."""

    GRAPH_RECURSION_LIMIT = "GRAPH_RECURSION_LIMIT"
    INVALID_CONCURRENT_GRAPH_UPDATE = "INVALID_CONCURRENT_GRAPH_UPDATE"
    INVALID_GRAPH_NODE_RETURN_VALUE = "INVALID_GRAPH_NODE_RETURN_VALUE"
    MULTIPLE_SUBGRAPHS = "MULTIPLE_SUBGRAPHS"
    INVALID_CHAT_HISTORY = "INVALID_CHAT_HISTORY"


def coded(message: str, code: ErrorCode) -> str:
    """The message with its code appended: `coded("x", c)` gives `"x [CODE]"`."""
    return f"{message} [{code.value}]"


class FeatureNotBuilt(DrumlineError, NotImplementedError):
    """The call asks for a part of LangGraph's interface that drumline accepts in signatures but does not run yet.

    Nothing was started. Leave the named argument out, or run that graph with LangGraph itself.
    """

    def __init__(self, feature: str, where: str = "", advice: str = "") -> None:
        place = f" ({where})" if where else ""
        super().__init__(
            f"{feature}{place} is not built in drumline yet. "
            + (
                advice
                or "Leave it out: nothing was started, and drumline refuses rather than ignoring what you asked for."
            )
        )
        self.feature = feature
        self.where = where
        self.advice = advice

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.feature, self.where, self.advice)


class GraphDefinitionError(DrumlineError, ValueError):
    """The graph, as built, cannot run: an unknown node, a missing entry, a bad name, a bad reducer.

    Raised by the builder methods and by `compile()`, before anything runs. The text names the node or key and says what
    to change. LangGraph raises a plain `ValueError` here; this class is one.
    """


class NotANodeError(GraphDefinitionError, TypeError):
    """What was given as a node or router cannot be called.

    Give a function (sync or async), an object with `__call__`, a Runnable, or a compiled graph.
    """


class InvalidUpdateError(DrumlineError):
    """A node, router or input tried to write something that the state cannot take.

    Causes: two tasks of one superstep wrote a key that has no reducer (give the key one, for example `Annotated[list,
    operator.add]`); a node returned something that is not a dict, a schema instance, a `Command`, a `Send` or `None`; a
    goto or `Send` names a node that does not exist. The superstep it happened in leaves no trace in the state.
    """


class RouteError(InvalidUpdateError, ValueError):
    """A router returned something that is not a destination: `None`, `START`, or an unknown node.

    Return a node name, `END`, a `Send`, or a list of these. LangGraph raises `ValueError` for `None` and only logs a
    warning for unknown names; drumline fails the run, so that work is not lost silently.
    """


class RouteMapError(KeyError, RouteError):
    """A router returned a value that its `path_map` (or `Literal` return annotation) does not list.

    Add the value to the map, or give no map and return node names.
    """

    # KeyError would show the repr of the message.
    __str__ = Exception.__str__


class EmptyInputError(DrumlineError):
    """The run was given an input from which nothing can start.

    Give the graph a dict with at least one key of its input schema (or an instance of that schema). `None` is only an
    input for continuing a thread that has unfinished work.
    """


class EmptyChannelError(DrumlineError):
    """A channel was read that was never written and has no initial value.

    Inside a graph this does not surface: keys that were never written are simply left out of a node's input. Code that
    reads a channel by hand should ask `available()` first.
    """


class GraphRecursionError(DrumlineError, RecursionError):
    """The run needed more supersteps than its limit allows, which usually means that a cycle never ends.

    Check the router that should lead to `END`; if the graph is right, raise the limit with
    `config={"recursion_limit": n}`. As in LangGraph, a run of exactly `limit` steps fails too: the limit has to be one
    higher than the number of steps.
    """

    @classmethod
    def of(cls, limit: int, *, namespace: Sequence[str] = ()) -> GraphRecursionError:
        """The error of a run (or of the child graph under `namespace`) that hit `limit` supersteps."""
        where = f" in subgraph {'|'.join(namespace)!r}" if namespace else ""
        return cls(
            coded(
                f"Recursion limit of {limit} reached{where} without a stop. If the graph really needs "
                f'more supersteps, pass config={{"recursion_limit": {limit * 2}}} (or higher); '
                "otherwise look for a cycle whose router never returns END.",
                ErrorCode.GRAPH_RECURSION_LIMIT,
            )
        )


class GraphBubbleUp(Exception):
    """Root of the control-flow signals that travel through user code as exceptions.

    Not a `DrumlineError` on purpose: a node that catches `DrumlineError` must not swallow them. Never catch these in a
    node; if a broad `except Exception` is unavoidable, re-raise them.
    """


class GraphInterrupt(GraphBubbleUp):
    """A node called `interrupt()`: the run pauses and hands the question to the caller.

    `args[0]` is the tuple of `Interrupt`s.
    """

    def __init__(self, interrupts: Sequence[Interrupt[Any]] = ()) -> None:
        super().__init__(interrupts)


class NotDeterministic(DrumlineError, RuntimeError):
    """An entrypoint that a thread resumed called another `@task`, or with other arguments, than in its earlier run.

    An entrypoint runs again from its first line, and gets the results of calls that have ended, in their order. What it
    calls may depend on its input, on results of tasks and on answers, and on nothing else. Move clocks, random numbers
    and requests into a `@task`. If its code was changed since, give the thread a new input.
    """

    def __init__(self, entry: str, index: int, was: str, now: str) -> None:
        super().__init__(
            f"{entry!r} is not deterministic at its call {index + 1}: the earlier run of the thread called {was}, "
            f"this one calls {now}. Move what differs between runs into a @task, or give the thread a new input."
        )
        self.entry, self.index, self.was, self.now = entry, index, was, now

    def __reduce__(self) -> Any:
        return type(self), (self.entry, self.index, self.was, self.now)


class NodeInterrupt(GraphInterrupt):
    """A node asked for an interrupt by raising; deprecated by LangGraph in favour of `interrupt()`."""

    def __init__(self, value: Any, id: str | None = None) -> None:
        tell("'NodeInterrupt' is deprecated, use 'interrupt()'.", LangGraphDeprecatedSinceV10)
        super().__init__([Interrupt(value) if id is None else Interrupt(value, id)])


class GraphDrained(GraphBubbleUp):
    """The run stopped at a superstep boundary because a drain was requested."""

    def __init__(self, reason: str = "shutdown") -> None:
        super().__init__(reason)
        self.reason = reason


class ParentCommand(GraphBubbleUp):
    """A node returned `Command(graph=Command.PARENT)`: the command is handed to the enclosing graph.

    `args[0]` is the `Command`. At the root, where there is no parent, it becomes a `NoParentGraph`.
    """

    args: tuple[Command[Any]]

    def __init__(self, command: Command[Any]) -> None:
        super().__init__(command)


class NoParentGraph(InvalidUpdateError, ParentCommand):
    """A node answered with `Command(graph=Command.PARENT)`, but its graph is the root of the run.

    Take `graph=` away: without it the command is for the node's own graph. It is a `ParentCommand` too (`args[0]` is
    the command), which is what LangGraph lets out of such a run.
    """

    node: str = ""

    def __init__(self, command: Any = None, node: str = "") -> None:
        super().__init__(command)
        self.node = node

    def __str__(self) -> str:
        return (
            f"node {self.node!r} answered with Command(graph=Command.PARENT), but its graph is the root of the run: "
            "there is no parent graph"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.node)


class TaskNotFound(DrumlineError):
    """A task was named that the run does not hold (any more)."""


class NodeTimeoutError(DrumlineError):
    """A node ran longer than its timeout, or was silent longer than its idle timeout.

    `kind` says which of the two; times are in seconds. Raise the limit, or make the node report progress.
    """

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"],
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        limit = idle_timeout if kind == "idle" else run_timeout
        super().__init__(f"Node {node!r} exceeded its {kind} timeout of {limit} s (after {elapsed:.3f} s).")
        self.timeout = limit
        self.node = node
        self.elapsed = elapsed
        self.kind = kind
        self.idle_timeout = idle_timeout
        self.run_timeout = run_timeout


class StepTimeoutError(DrumlineError, TimeoutError):
    """A superstep lasted longer than the `step_timeout` of its graph.

    Its tasks are cancelled, as far as they can be. Raise the limit, or give the nodes a `timeout=`, so that only those
    fail which are slow.
    """

    def __init__(self, graph: str, step: int, limit: float, waits: Sequence[str]) -> None:
        super().__init__(
            f"Superstep {step} of {graph} lasted longer than its step_timeout of {limit} s. Nodes that had not ended: "
            f"{', '.join(map(repr, waits))}."
        )
        self.graph, self.step, self.limit, self.waits = graph, step, limit, tuple(waits)

    def __reduce__(self) -> Any:
        return type(self), (self.graph, self.step, self.limit, self.waits)


class NodeCancelledError(DrumlineError):
    """A node raised `asyncio.CancelledError`, although nobody had cancelled its run.

    Something that the node awaited was cancelled, or it cancelled itself. Catch that inside of the node; the original
    exception is the `__cause__`. When the caller is cancelled it gets the `CancelledError` itself, as in LangGraph.
    """

    def __init__(self, node: str, message: str | None = None) -> None:
        super().__init__(message or _raised_cancelled("node", node))
        self.node = node

    @classmethod
    def of(cls, name: str, what: str = "node") -> NodeCancelledError:
        """The error of a node, or of the reducers and schemas of a graph (`what`)."""
        return cls(name, _raised_cancelled(what, name))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.node, *self.args)


def _raised_cancelled(what: str, name: str) -> str:
    return (
        f"{what} {name!r} raised asyncio.CancelledError, but nobody had cancelled its run. What it awaits was "
        "cancelled, or it cancelled itself: catch that in its code."
    )


class UnknownInterruptError(DrumlineError, RuntimeError):
    """A resume value names an interrupt that is not waiting for an answer, or none where several wait.

    A RuntimeError too: where LangGraph does not ask strictly, that is what one answer to several questions raises.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["not_pending", "empty_map", "ambiguous"],
        interrupt_ids: Sequence[str] = (),
        pending_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids)


@dataclass(frozen=True)
class NodeError:
    """What an error handler is given: the node that failed and the exception. Not an exception itself."""

    node: str
    error: BaseException


#: attribute of an exception that `interrupt` raised for an answer of another form: the task that asked, and how many
#: answers it had before
INVALID_RESUME = "drumline_invalid_resume"


def is_invalid_resume(error: BaseException) -> bool:
    """Whether `interrupt` raised the exception: an answer has not the form that `response_schema` says.

    The question waits on. An answer to a question that does not wait is an `UnknownInterruptError`.
    """
    return hasattr(error, INVALID_RESUME)
