"""`create_react_agent` (LangGraph's `langgraph.prebuilt.chat_agent_executor`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from langchain_core.tools import BaseTool

from drumline.graph import CompiledStateGraph, StateGraph
from drumline.prebuilt.agent_model import AgentModel
from drumline.prebuilt.agent_nodes import (
    POST_HOOK,
    STRUCTURED,
    Plan,
    after_model,
    after_post_hook,
    after_tools,
    model_node,
    structured_node,
)
from drumline.prebuilt.agent_state import (
    AgentState,
    AgentStatePydantic,
    AgentStateWithStructuredResponse,
    AgentStateWithStructuredResponsePydantic,
    model_input_schema,
)
from drumline.prebuilt.tool_node import ToolNode
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.schema import field_hints, name_of

__all__ = [
    "AgentState",
    "AgentStatePydantic",
    "AgentStateWithStructuredResponse",
    "AgentStateWithStructuredResponsePydantic",
    "create_react_agent",
    "create_tool_calling_executor",
]


def create_react_agent(
    model: Any,
    tools: Sequence[BaseTool | Callable[..., Any] | dict[str, Any]] | ToolNode,
    *,
    prompt: Any = None,
    response_format: Any = None,
    pre_model_hook: Any = None,
    post_model_hook: Any = None,
    state_schema: Any = None,
    context_schema: type[Any] | None = None,
    checkpointer: Any = None,
    store: Any = None,
    interrupt_before: list[str] | None = None,
    interrupt_after: list[str] | None = None,
    debug: bool = False,
    version: Literal["v1", "v2"] = "v2",
    name: str | None = None,
    **deprecated: Any,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """An agent: a graph that asks a model and runs the tools that it calls, until it calls no more.

    * `model`: a chat model (tools are bound to it, unless some are bound already), its name `"provider:model"`, or a
      function `(state, runtime) -> model`, sync or async, that chooses one for each turn and binds tools itself.
    * `tools`: tools, functions, dicts of tools that the provider runs; or a `ToolNode`.
    * `prompt`: a text or SystemMessage that stands before the messages, or a function or Runnable that makes the
      model's input from the state.
    * `response_format`: a schema, or a pair of system text and schema; when the agent is done, the model is asked once
      more, for `structured_response`.
    * `pre_model_hook`, `post_model_hook`: nodes that run before and after each call of the model; the first may write
      `llm_input_messages`, which the model is then given in place of `messages`.
    * `state_schema`: a schema with `messages` and `remaining_steps` (and `structured_response`, if it is asked for),
      such as a subclass of `AgentState`.

    Version "v2" runs each tool call as a task of its own, so that the tools of one turn run on different workers; "v1"
    runs all calls of a turn in one task. Where the recursion limit leaves no step for an answer, the agent says so in a
    message and stops.

    Raises ValueError for arguments that do not fit together.
    """
    context_schema = _renamed_context_schema(deprecated, context_schema)
    if version not in ("v1", "v2"):
        raise ValueError(f"version must be 'v1' or 'v2', not {version!r}.")
    schema = _state_schema(state_schema, response_format)
    builtin = [] if isinstance(tools, ToolNode) else [tool for tool in tools if isinstance(tool, dict)]
    tool_node = (
        tools if isinstance(tools, ToolNode) else ToolNode([tool for tool in tools if not isinstance(tool, dict)])
    )
    known = list(tool_node.tools_by_name.values())
    plan = Plan(
        model=AgentModel(model, prompt, known, builtin),
        name=name,
        entry="agent" if pre_model_hook is None else "pre_model_hook",
        version=version,
        has_pre_hook=pre_model_hook is not None,
        has_post_hook=post_model_hook is not None,
        response_format=response_format,
        return_direct={tool.name for tool in known if tool.return_direct},
    )
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(schema, context_schema)
    graph.add_node(
        "agent",
        model_node(plan),
        input_schema=schema if pre_model_hook is None else model_input_schema(schema),
    )
    if known:
        graph.add_node("tools", tool_node)
    if pre_model_hook is not None:
        graph.add_node("pre_model_hook", pre_model_hook).add_edge("pre_model_hook", "agent")
    if post_model_hook is not None:
        graph.add_node(POST_HOOK, post_model_hook).add_edge("agent", POST_HOOK)
    if response_format is not None:
        graph.add_node(STRUCTURED, structured_node(plan))
    graph.set_entry_point(plan.entry)
    (_add_loop if known else _add_end)(graph, plan)
    agent = graph.compile(
        checkpointer,
        store=store,
        interrupt_before=interrupt_before,
        interrupt_after=interrupt_after,
        debug=debug,
        name=name,
    )
    # State schemas seldom name the answer's class, and only classes that are named may cross the wire.
    form = response_format[1] if isinstance(response_format, tuple) else response_format
    agent.program = replace(agent.program, types=(form,) if isinstance(form, type) else ())
    return agent


create_tool_calling_executor = create_react_agent


def _add_end(graph: StateGraph[Any, Any, Any, Any], plan: Plan) -> None:
    """The edges of an agent without tools: straight on."""
    if plan.response_format is not None:
        graph.add_edge(POST_HOOK if plan.has_post_hook else "agent", STRUCTURED)


def _add_loop(graph: StateGraph[Any, Any, Any, Any], plan: Plan) -> None:
    """The edges of an agent with tools."""
    if plan.has_post_hook:
        graph.add_conditional_edges(POST_HOOK, after_post_hook(plan), [plan.entry, "tools", plan.last])
    else:
        graph.add_conditional_edges("agent", after_model(plan), ["tools", plan.last])
    if plan.return_direct:
        graph.add_conditional_edges("tools", after_tools(plan), [plan.entry, "__end__"])
    else:
        graph.add_edge("tools", plan.entry)


def _state_schema(given: Any, response_format: Any) -> Any:
    if given is None:
        return AgentState if response_format is None else AgentStateWithStructuredResponse
    needed = ["messages", "remaining_steps", *(["structured_response"] if response_format is not None else [])]
    missing = [key for key in needed if key not in field_hints(given)]
    if missing:
        raise GraphDefinitionError(
            f"state_schema {name_of(given)} lacks {', '.join(map(repr, missing))}: add them, or subclass AgentState of "
            "drumline.prebuilt.chat_agent_executor."
        )
    return given


def _renamed_context_schema(deprecated: dict[str, Any], context_schema: Any) -> Any:
    """Accept the former name `config_schema`, with a DeprecationWarning. TypeError for any other keyword."""
    if "config_schema" in deprecated:
        warnings.warn("'config_schema' is deprecated, use 'context_schema'.", DeprecationWarning, stacklevel=3)
        given = deprecated.pop("config_schema")
        context_schema = given if context_schema is None else context_schema
    if deprecated:
        raise TypeError(f"create_react_agent() got unexpected keyword arguments: {', '.join(sorted(deprecated))}.")
    return context_schema
