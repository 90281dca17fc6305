"""What a tool may ask for beside the arguments that the model gives: markers for its parameters, and `ToolRuntime`."""

from dataclasses import dataclass, field
from typing import Any, Generic, Literal

from langchain_core.messages import ToolCall
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg
from langchain_core.tools import base as _base
from pydantic_core import core_schema
from typing_extensions import TypedDict, TypeVar

from drumline_graph.types import StreamWriter
from drumline_worker.tool_events import writer

StateT = TypeVar("StateT", default=dict[str, Any])
ContextT = TypeVar("ContextT", default=None)

# LangChain's base of parameters that are injected by their bare annotation. langchain-core 0.3 has none: there the
# parameter must be written `Annotated[ToolRuntime, InjectedToolArg]`, or the model is shown it.
_Injected: Any = getattr(_base, "_DirectlyInjectedToolArg", object)


class InjectedState(InjectedToolArg):
    """Marks a tool's parameter that gets the graph's state: `state: Annotated[dict, InjectedState]`.

    With a field name it gets only that key: `messages: Annotated[list, InjectedState("messages")]`. The model is not
    shown such parameters, and what it says for them is dropped.
    """

    def __init__(self, field: str | None = None) -> None:
        self.field = field


class InjectedStore(InjectedToolArg):
    """Marks a tool's parameter that gets the graph's store: `store: Annotated[BaseStore, InjectedStore()]`.

    A call of such a tool in a graph without store raises ValueError, as in LangGraph.
    """


# Not as a class, which would mangle the name of the first key.
ToolCallWithContext = TypedDict(
    "ToolCallWithContext", {"__type": Literal["tool_call_with_context"], "tool_call": ToolCall, "state": Any}
)
"""What a `Send` gives to a tool node: one call, and the state that its tool may ask for."""


@dataclass
class ToolRuntime(Generic[ContextT, StateT], _Injected):  # type: ignore[misc]
    """The run as a tool sees it. A parameter annotated with this class gets one: `runtime: ToolRuntime`.

    `state` is what the tool node was given (with one task per call: what its Send carries), `config` that of the call,
    the other fields those of the node's `Runtime`; `tools` are all tools of the node.
    """

    state: StateT
    context: ContextT
    config: RunnableConfig
    stream_writer: StreamWriter
    tool_call_id: str | None
    store: Any
    tools: list[BaseTool] = field(default_factory=list)
    execution_info: Any = None
    server_info: Any = None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Passed on as it is: a tool's arguments are dumped with every call, and this one holds the whole state."""
        whole = core_schema.plain_serializer_function_ser_schema(lambda value: value)
        return core_schema.is_instance_schema(cls, serialization=whole)

    def emit_output_delta(self, delta: Any) -> None:
        """Put a part of the tool's output on the stream of mode `tools`, as a `tool-output-delta` of its call.

        Nothing happens if nobody asked for that mode, or outside of a tool. On a cluster EncodeError for what cannot
        cross, and WriterBlocked, as with a stream writer.
        """
        write = writer.get()
        if write is not None:
            write(delta)
