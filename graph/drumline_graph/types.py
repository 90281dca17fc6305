"""Public types of graphs and streams, under the names and constructor signatures of `langgraph.types`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from drumline_graph.cache_keys import default_cache_key
from drumline_graph.control import Command, Interrupt, Overwrite, Send, TimeoutPolicy
from drumline_graph.retrying import default_retry_on
from drumline_graph.stream_types import (
    CheckpointPayload,
    CheckpointStreamPart,
    CheckpointTask,
    CustomStreamPart,
    DebugPayload,
    DebugStreamPart,
    GraphOutput,
    MessagesStreamPart,
    StreamMode,
    StreamPart,
    StreamWriter,
    TaskPayload,
    TaskResultPayload,
    TasksStreamPart,
    ToolPayload,
    ToolsStreamPart,
    UpdatesStreamPart,
    ValuesStreamPart,
)

KeyFuncT = TypeVar("KeyFuncT", bound=Callable[..., str | bytes])

All = Literal["*"]
"""Stands for all nodes in `interrupt_before` and `interrupt_after`."""

Durability = Literal["sync", "async", "exit"]
"""When state is stored: before the next superstep, beside it, or only at the end of the run."""

Checkpointer = Any
"""None, a bool, or a checkpoint saver: drumline's, or one with LangGraph's interface."""

_OF_A_SAVER = ("get_tuple", "list", "put", "put_writes")


class RetryPolicy(NamedTuple):
    """How often and when a failed node is tried again; `max_attempts` counts the first attempt too."""

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool] = default_retry_on


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy(Generic[KeyFuncT]):
    """Reuse a node's result for equal inputs: `key_func(input)` is the key, kept for `ttl` seconds (None: for ever)."""

    key_func: KeyFuncT = default_cache_key  # type: ignore[assignment]
    ttl: int | None = None


class CacheKey(NamedTuple):
    """Where a cached result is kept: namespace, key, and lifetime in seconds (None: for ever)."""

    ns: tuple[str, ...]
    key: str
    ttl: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePolicy:
    """What tracers record of a node's input and output: what these functions make of them, unless they raise.

    All other handlers, streams, and what the node calls are not concerned. LangGraph's `TracePolicy`.
    """

    process_inputs: Callable[[Any], Any] | None = None
    process_outputs: Callable[[Any], Any] | None = None


def omit_payload(_value: Any) -> dict[str, Any]:
    """Helper for a `TracePolicy`: shows tracers an empty payload instead of the value."""
    return {}


class StateUpdate(NamedTuple):
    """One update for `bulk_update_state`: values written as if node `as_node` had returned them."""

    values: dict[str, Any] | None
    as_node: str | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class StateUpdates:
    """Updates of the state of the graph at `ns` on a thread, one list for each superstep: what `update_state` sends."""

    ns: str
    supersteps: list[list[StateUpdate]]


class PregelTask(NamedTuple):
    """A task as a state snapshot shows it."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Exception | None = None
    interrupts: tuple[Interrupt[Any], ...] = ()
    state: Any = None
    result: Any | None = None


@dataclass(frozen=True)
class PregelExecutableTask:
    """LangGraph's internal form of a task, for code that names the type. Drumline creates none."""

    name: str
    input: Any
    proc: Any
    writes: deque[tuple[str, Any]]
    config: dict[str, Any]
    triggers: Sequence[str]
    retry_policy: Sequence[RetryPolicy]
    cache_key: CacheKey | None
    id: str
    path: tuple[Any, ...]
    writers: Sequence[Any] = ()
    subgraphs: Sequence[Any] = ()
    timeout: TimeoutPolicy | None = None


class StateSnapshot(NamedTuple):
    """State of a thread at one point: values, nodes due next, and the tasks of the open superstep."""

    values: dict[str, Any] | Any
    next: tuple[str, ...]
    config: dict[str, Any]
    metadata: dict[str, Any] | None
    created_at: str | None
    parent_config: dict[str, Any] | None
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt[Any], ...]


def ensure_valid_checkpointer(checkpointer: Checkpointer) -> Checkpointer:
    """The checkpointer: None, a bool, or an object with the methods of a saver. TypeError for anything else."""
    if checkpointer is None or isinstance(checkpointer, bool):
        return checkpointer
    if not isinstance(checkpointer, type) and all(callable(getattr(checkpointer, name, None)) for name in _OF_A_SAVER):
        return checkpointer
    raise TypeError(
        "Invalid checkpointer provided. Expected an instance of `BaseCheckpointSaver`, `True`, `False`, or `None`. "
        f"Received {type(checkpointer).__name__}. Pass a saver of drumline.checkpoint, or one with LangGraph's "
        f"methods ({', '.join(_OF_A_SAVER)})."
    )


__all__ = [
    "All",
    "CacheKey",
    "CachePolicy",
    "CheckpointPayload",
    "CheckpointStreamPart",
    "CheckpointTask",
    "Checkpointer",
    "Command",
    "CustomStreamPart",
    "DebugPayload",
    "DebugStreamPart",
    "Durability",
    "GraphOutput",
    "Interrupt",
    "MessagesStreamPart",
    "Overwrite",
    "PregelExecutableTask",
    "PregelTask",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StreamMode",
    "StreamPart",
    "StreamWriter",
    "TaskPayload",
    "TaskResultPayload",
    "TasksStreamPart",
    "TimeoutPolicy",
    "ToolPayload",
    "ToolsStreamPart",
    "TracePolicy",
    "UpdatesStreamPart",
    "ValuesStreamPart",
    "default_cache_key",
    "default_retry_on",
    "ensure_valid_checkpointer",
    "omit_payload",
]
