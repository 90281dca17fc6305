"""The nodes and routers of a ready-made agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from drumline.prebuilt.actions import Action
from drumline.prebuilt.agent_model import AgentModel, chat_model_of, check_history, value_of
from drumline_graph.constants import END
from drumline_graph.types import Send
from drumline_worker.runtime import Runtime

STRUCTURED = "generate_structured_response"
POST_HOOK = "post_model_hook"


@dataclass(slots=True)
class Plan:
    """What the parts of an agent must know of each other."""

    model: AgentModel
    name: str | None
    entry: str
    version: str
    has_pre_hook: bool
    has_post_hook: bool
    response_format: Any
    return_direct: set[str] = field(default_factory=set)

    @property
    def last(self) -> str:
        """Where an agent goes that has no more tools to call."""
        return END if self.response_format is None else STRUCTURED


# -- nodes ----------------------------------------------------------------------------------------


def model_node(plan: Plan) -> Action:
    """The node that asks the model."""
    model = plan.model

    def call_model(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> dict[str, Any]:
        given = _model_input(plan, state)
        chain = model.prompted(model.bare(state, runtime))
        return _answer(plan, state, chain.invoke(given, config))

    async def acall_model(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> dict[str, Any]:
        given = _model_input(plan, state)
        chain = model.prompted(await model.abare(state, runtime))
        return _answer(plan, state, await chain.ainvoke(given, config))

    return Action(None if model.async_only else call_model, acall_model, name="call_model")


def _model_input(plan: Plan, state: Any) -> Any:
    """The state for the prompt, `messages` being what a hook before the model chose."""
    messages = value_of(state, "messages")
    if plan.has_pre_hook:
        messages = value_of(state, "llm_input_messages") or messages
    if messages is None:
        raise ValueError(f"The model node was given no 'messages', only {state!r}.")
    check_history(messages)
    if isinstance(state, dict):
        return {**state, "messages": messages}
    state.messages = messages
    return state


def _answer(plan: Plan, state: Any, response: Any) -> dict[str, Any]:
    response.name = plan.name
    if _steps_run_out(plan, state, response):
        response = AIMessage("Sorry, need more steps to process this request.", id=response.id)
    return {"messages": [response]}


def _steps_run_out(plan: Plan, state: Any, response: Any) -> bool:
    """Whether the recursion limit would end the run before the model could see what its tools gave."""
    left = value_of(state, "remaining_steps")
    if left is None or not isinstance(response, AIMessage):
        return False
    calls = response.tool_calls
    if left < 2 and calls:
        return True
    return left < 1 and all(call["name"] in plan.return_direct for call in calls)


def structured_node(plan: Plan) -> Action:
    """The node that asks the model once more, for an answer in the form of `response_format`."""
    model, schema, first = plan.model, plan.response_format, []
    if isinstance(schema, tuple):
        text, schema = schema
        first = [SystemMessage(text)]

    def told(state: Any) -> list[Any]:
        return [*first, *value_of(state, "messages")]

    def generate(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> dict[str, Any]:
        asked = chat_model_of(model.bare(state, runtime)).with_structured_output(schema)
        return {"structured_response": asked.invoke(told(state), config)}

    async def agenerate(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> dict[str, Any]:
        asked = chat_model_of(await model.abare(state, runtime)).with_structured_output(schema)
        return {"structured_response": await asked.ainvoke(told(state), config)}

    return Action(None if model.chooses_async else generate, agenerate, name=STRUCTURED)


# -- routers --------------------------------------------------------------------------------------


def sends(calls: Sequence[Any], state: Any) -> list[Send]:
    """One task of the tool node for each call; a task carries the state, for tools that want it."""
    return [Send("tools", {"__type": "tool_call_with_context", "tool_call": call, "state": state}) for call in calls]


def after_model(plan: Plan) -> Callable[[Any], str | list[Send]]:
    """The router of the model node, where no `post_model_hook` comes between."""

    def should_continue(state: Any) -> str | list[Send]:
        last = value_of(state, "messages")[-1]
        if not isinstance(last, AIMessage) or not last.tool_calls:
            return plan.last
        return "tools" if plan.version == "v1" else sends(last.tool_calls, state)

    return should_continue


def after_post_hook(plan: Plan) -> Callable[[Any], str | list[Send]]:
    """The router behind `post_model_hook`, which may have answered calls itself."""

    def post_model_hook_router(state: Any) -> str | list[Send]:
        messages = value_of(state, "messages")
        answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
        last = next(message for message in reversed(messages) if isinstance(message, AIMessage))
        pending = [call for call in last.tool_calls if call["id"] not in answered]
        if pending:
            return sends(pending, state)
        return plan.entry if isinstance(messages[-1], ToolMessage) else plan.last

    return post_model_hook_router


def after_tools(plan: Plan) -> Callable[[Any], str]:
    """The router of the tool node, for agents with tools whose result is the agent's answer."""

    def route_tool_responses(state: Any) -> str:
        for message in reversed(value_of(state, "messages")):
            if not isinstance(message, ToolMessage):
                break
            if message.name in plan.return_direct:
                return END
        else:
            return plan.entry
        # Calls that run as tasks of their own do not see each other's results: the calls themselves tell.
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        return END if any(call["name"] in plan.return_direct for call in calls) else plan.entry

    return route_tool_responses
