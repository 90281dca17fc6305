"""Shapes of questions to people and their answers (LangGraph's `langgraph.prebuilt.interrupt`)."""

from typing import Any, Literal

from typing_extensions import TypedDict


class HumanInterruptConfig(TypedDict):
    """What the person who is asked may do."""

    allow_ignore: bool
    allow_respond: bool
    allow_edit: bool
    allow_accept: bool


class ActionRequest(TypedDict):
    """An action that waits for a person: its name, and its arguments."""

    action: str
    args: dict[str, Any]


class HumanInterrupt(TypedDict):
    """A question: the action, what may be answered, and a text for the person."""

    action_request: ActionRequest
    config: HumanInterruptConfig
    description: str | None


class HumanResponse(TypedDict):
    """An answer. `args`: None for accept and ignore, a text for response, an action for edit."""

    type: Literal["accept", "ignore", "response", "edit"]
    args: str | ActionRequest | None
