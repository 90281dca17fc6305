"""States of ready-made agents. Subclass one to add keys: `class State(AgentState): user: str`."""

# No `from __future__ import annotations`: schemas are read at run time, also by subclasses in other modules.
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.messages import AnyMessage, BaseMessage
from pydantic import BaseModel, create_model
from typing_extensions import NotRequired, TypedDict

from drumline_graph.managed import RemainingSteps
from drumline_graph.message import add_messages
from drumline_graph.schema import is_pydantic

StructuredResponse = dict[str, Any] | BaseModel


class AgentState(TypedDict):
    """The messages so far, and how many supersteps are left (computed, never stored)."""

    messages: Annotated[Sequence[BaseMessage], add_messages]
    remaining_steps: NotRequired[RemainingSteps]


class AgentStatePydantic(BaseModel):
    """The same as a pydantic model."""

    messages: Annotated[Sequence[BaseMessage], add_messages]
    remaining_steps: RemainingSteps = 25


class AgentStateWithStructuredResponse(AgentState):
    """With the answer as the object that `response_format` asked for."""

    structured_response: StructuredResponse


class AgentStateWithStructuredResponsePydantic(AgentStatePydantic):
    """The same as a pydantic model."""

    structured_response: StructuredResponse


def model_input_schema(state_schema: Any) -> Any:
    """What the model node reads when a hook runs before it: the state, and the messages that the hook chose."""
    if is_pydantic(state_schema):
        return create_model("CallModelInputSchema", llm_input_messages=(list[AnyMessage], ...), __base__=state_schema)

    class CallModelInputSchema(state_schema):  # type: ignore[misc]
        llm_input_messages: list[AnyMessage]

    return CallModelInputSchema
