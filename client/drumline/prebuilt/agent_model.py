"""The model of an agent: which one answers, with which tools bound, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence
from langchain_core.tools import BaseTool

from drumline.prebuilt.actions import Action
from drumline_graph.callables import is_async_callable
from drumline_graph.errors import ErrorCode, coded

_UNANSWERED_SHOWN = 3


def value_of(state: Any, key: str) -> Any:
    """A key of a state that is a dict or an object; None if it is not there."""
    return state.get(key) if isinstance(state, dict) else getattr(state, key, None)


# -- the prompt -----------------------------------------------------------------------------------


def prompt_step(prompt: Any) -> Runnable[Any, Any]:
    """From the state to what the model is given. ValueError for what is no prompt.

    A text or SystemMessage stands before the messages; a callable (parameters are injected as into a node) or Runnable
    gets the state and makes the model's input.
    """
    if isinstance(prompt, str):
        prompt = SystemMessage(prompt)
    if prompt is None or isinstance(prompt, SystemMessage):
        first = [] if prompt is None else [prompt]
        return Action(lambda state: [*first, *value_of(state, "messages")], name="Prompt")
    if isinstance(prompt, Runnable):
        return prompt
    if not callable(prompt):
        raise ValueError(
            f"prompt is a {type(prompt).__name__}: give a text, a SystemMessage, a function of the state or a Runnable."
        )
    if is_async_callable(prompt):
        asynchronous: Any = prompt
        return Action(None, asynchronous, name="Prompt")
    return Action(prompt, name="Prompt")


# -- the model ------------------------------------------------------------------------------------


def model_named(name: str) -> Any:
    """A chat model by `"provider:model"`, made by LangChain's `init_chat_model`."""
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ImportError(
            f"The model {name!r} is given by its name, which takes the package langchain: `pip install langchain`, or "
            "give a chat model object."
        ) from error
    return init_chat_model(name)


def _model_in(model: Any) -> Any:
    """The model or binding inside a sequence of Runnables; anything else as it is."""
    if isinstance(model, RunnableSequence):
        return next((step for step in model.steps if isinstance(step, (RunnableBinding, BaseChatModel))), model)
    return model


def chat_model_of(model: Any) -> BaseChatModel:
    """The chat model itself, without what is bound to it or stands around it. TypeError if there is none."""
    found = _model_in(model)
    found = found.bound if isinstance(found, RunnableBinding) else found
    if not isinstance(found, BaseChatModel):
        raise TypeError(
            f"response_format needs a chat model (it may have tools bound), got {type(found).__name__}: "
            "only chat models give structured output."
        )
    return found


def with_tools(model: Any, tools: Sequence[BaseTool], builtin: Sequence[dict[str, Any]]) -> Any:
    """The model with tools bound: as it is, if some are bound already. ValueError if those are not the same."""
    bound = _model_in(model)
    if not isinstance(bound, RunnableBinding) or "tools" not in bound.kwargs:
        return model.bind_tools([*tools, *builtin]) if tools or builtin else model
    known = bound.kwargs["tools"]
    if len(known) - len(builtin) != len(tools):
        raise ValueError(
            f"The model has {len(known) - len(builtin)} tools bound, and the agent was given {len(tools)}: give the "
            "agent the same tools, or a model without bound tools."
        )
    names = {_bound_name(tool) for tool in known}
    missing = sorted(tool.name for tool in tools if tool.name not in names)
    if missing:
        raise ValueError(f"Tools {', '.join(missing)} of the agent are missing among those bound to the model.")
    return model


def _bound_name(tool: dict[str, Any]) -> str | None:
    """The name of a tool in the form of OpenAI or of Anthropic; None in any other."""
    if tool.get("type") == "function":
        return str(tool["function"]["name"])
    return tool.get("name")


class AgentModel:
    """The model of an agent, fixed or chosen anew for each turn by a function of state and runtime."""

    def __init__(self, model: Any, prompt: Any, tools: Sequence[BaseTool], builtin: Sequence[dict[str, Any]]) -> None:
        self._model: Any
        self.chooses = not isinstance(model, (str, Runnable)) and callable(model)
        self.chooses_async = self.chooses and is_async_callable(model)
        self._prompt = prompt_step(prompt)
        if self.chooses:
            self._model = model
        else:
            self._model = with_tools(model_named(model) if isinstance(model, str) else model, tools, builtin)

    @property
    def async_only(self) -> bool:
        """Whether there is only an async way to ask it."""
        return self.chooses_async or getattr(self._prompt, "needs_event_loop", None) is True

    def bare(self, state: Any, runtime: Any) -> Any:
        """The model of this turn, without the prompt."""
        return self._model(state, runtime) if self.chooses else self._model

    async def abare(self, state: Any, runtime: Any) -> Any:
        """The same, for a function that may be async."""
        return await self._model(state, runtime) if self.chooses_async else self.bare(state, runtime)

    def prompted(self, model: Any) -> Runnable[Any, Any]:
        """From the state to the model's answer."""
        chain: Runnable[Any, Any] = self._prompt | model
        return chain


def check_history(messages: Sequence[BaseMessage]) -> None:
    """ValueError if a tool call has no ToolMessage: most providers refuse such a history, with less clear words."""
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    open_calls = [call for call in calls if call["id"] not in answered]
    if open_calls:
        raise ValueError(
            coded(
                f"{len(open_calls)} tool calls have no ToolMessage that answers them, the first ones are "
                f"{open_calls[:_UNANSWERED_SHOWN]}. Every call must be answered before the model is asked again.",
                ErrorCode.INVALID_CHAT_HISTORY,
            )
        )
