"""Shapes of what streams yield: one TypedDict for each payload and each v2 stream part.

Re-exported by `drumline_graph.types`; the names are those of `langgraph.types`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypedDict
else:
    from typing_extensions import NotRequired, TypedDict

from drumline_graph.control import Interrupt
from drumline_graph.warnings import LangGraphDeprecatedSinceV11, tell

StateT = TypeVar("StateT")
OutputT = TypeVar("OutputT")

StreamMode = Literal["values", "updates", "checkpoints", "tasks", "debug", "messages", "custom", "tools"]
"""The stream modes of `stream()`; `drumline.graph` documents what each yields."""

StreamWriter = Callable[[Any], None]
"""Type of the writer given to nodes: call it with any encodable object to emit a `custom` event."""


class TaskPayload(TypedDict):
    """`tasks` event at the start of a task. `triggers` is the sorted tuple of subscribed channels."""

    id: str
    name: str
    input: Any
    triggers: tuple[str, ...]
    metadata: NotRequired[dict[str, Any]]


class TaskResultPayload(TypedDict):
    """`tasks` event at the end of a task. `error` is the exception object of a failed task, else None."""

    id: str
    name: str
    error: Any
    interrupts: list[dict[str, Any]]
    result: dict[str, Any]


class ToolPayload(TypedDict):
    """`tools` event: a tool begins (`input`), says a part of its output, has its output, or has failed."""

    event: Literal["tool-started", "tool-output-delta", "tool-finished", "tool-error"]
    tool_call_id: str
    tool_name: NotRequired[str]
    input: NotRequired[dict[str, Any]]
    delta: NotRequired[Any]
    output: NotRequired[Any]
    message: NotRequired[str]


class CheckpointTask(TypedDict):
    """A task as a checkpoint names it: due next, or done (`result`), or failed (`error`)."""

    id: str
    name: str
    error: NotRequired[str]
    result: NotRequired[Any]
    interrupts: NotRequired[list[dict[str, Any]]]
    state: Any


class CheckpointPayload(TypedDict, Generic[StateT]):
    """`checkpoints` event: a committed state and what would run next."""

    config: dict[str, Any] | None
    metadata: dict[str, Any]
    values: StateT
    next: list[str]
    parent_config: dict[str, Any] | None
    tasks: list[CheckpointTask]


class _DebugCheckpoint(TypedDict, Generic[StateT]):
    step: int
    timestamp: str
    type: Literal["checkpoint"]
    payload: CheckpointPayload[StateT]


class _DebugTask(TypedDict):
    step: int
    timestamp: str
    type: Literal["task"]
    payload: TaskPayload


class _DebugTaskResult(TypedDict):
    step: int
    timestamp: str
    type: Literal["task_result"]
    payload: TaskResultPayload


DebugPayload = Union[_DebugCheckpoint[StateT], _DebugTask, _DebugTaskResult]  # noqa: UP007 (3.10)
"""`debug` event: a `tasks` or `checkpoints` payload with its step and an ISO 8601 UTC timestamp."""


class ValuesStreamPart(TypedDict, Generic[OutputT]):
    """v2 part of mode `values`: the state after a superstep."""

    type: Literal["values"]
    ns: tuple[str, ...]
    data: OutputT
    interrupts: tuple[Interrupt[Any], ...]


class UpdatesStreamPart(TypedDict):
    """v2 part of mode `updates`: `{node: update}` of one finished task."""

    type: Literal["updates"]
    ns: tuple[str, ...]
    data: dict[str, Any]


class MessagesStreamPart(TypedDict):
    """v2 part of mode `messages`: `(message or chunk, metadata)`."""

    type: Literal["messages"]
    ns: tuple[str, ...]
    data: tuple[Any, dict[str, Any]]


class CustomStreamPart(TypedDict):
    """v2 part of mode `custom`: the object given to the stream writer."""

    type: Literal["custom"]
    ns: tuple[str, ...]
    data: Any


class ToolsStreamPart(TypedDict):
    """v2 part of mode `tools`. LangGraph yields it too, and its types do not list it."""

    type: Literal["tools"]
    ns: tuple[str, ...]
    data: ToolPayload


class CheckpointStreamPart(TypedDict, Generic[StateT]):
    """v2 part of mode `checkpoints`."""

    type: Literal["checkpoints"]
    ns: tuple[str, ...]
    data: CheckpointPayload[StateT]


class TasksStreamPart(TypedDict):
    """v2 part of mode `tasks`."""

    type: Literal["tasks"]
    ns: tuple[str, ...]
    data: TaskPayload | TaskResultPayload


class DebugStreamPart(TypedDict, Generic[StateT]):
    """v2 part of mode `debug`."""

    type: Literal["debug"]
    ns: tuple[str, ...]
    data: DebugPayload[StateT]


StreamPart = Union[  # noqa: UP007 (3.10)
    CheckpointStreamPart[StateT],  # first, so that it is `StreamPart[StateT, OutputT]` as in LangGraph
    ValuesStreamPart[OutputT],
    UpdatesStreamPart,
    MessagesStreamPart,
    CustomStreamPart,
    TasksStreamPart,
    DebugStreamPart[StateT],
    ToolsStreamPart,
]
"""Any item of a stream opened with `version="v2"`; tell them apart by `part["type"]`."""


@dataclass(frozen=True)
class GraphOutput(Generic[OutputT]):
    """What `invoke(version="v2")` returns: the output state and the interrupts left unanswered.

    Indexing (`out["key"]`, `"key" in out`) reads `value`, and `out["__interrupt__"]` the interrupts.
    """

    value: OutputT
    interrupts: tuple[Interrupt[Any], ...] = ()

    def __getitem__(self, key: str) -> Any:
        tell("'result[key]' of a GraphOutput is deprecated, use 'result.value[key]'.", LangGraphDeprecatedSinceV11)
        if key == "__interrupt__":
            return self.interrupts
        return self.value[key]  # type: ignore[index]

    def __contains__(self, key: object) -> bool:
        tell("'key in result' of a GraphOutput is deprecated, use 'key in result.value'.", LangGraphDeprecatedSinceV11)
        if key == "__interrupt__":
            return bool(self.interrupts)
        return isinstance(self.value, dict) and key in self.value


__all__ = [
    "CheckpointPayload",
    "CheckpointStreamPart",
    "CheckpointTask",
    "CustomStreamPart",
    "DebugPayload",
    "DebugStreamPart",
    "GraphOutput",
    "MessagesStreamPart",
    "StreamMode",
    "StreamPart",
    "StreamWriter",
    "TaskPayload",
    "TaskResultPayload",
    "TasksStreamPart",
    "ToolPayload",
    "ToolsStreamPart",
    "UpdatesStreamPart",
    "ValuesStreamPart",
]
