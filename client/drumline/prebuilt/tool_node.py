"""`ToolNode`: runs the tools that a model called (LangGraph's `langgraph.prebuilt.tool_node`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    get_config_list,
    get_executor_for_config,
    run_in_executor,
)
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as create_tool
from pydantic import ValidationError

from drumline.prebuilt.actions import runtime_of, state_of_task, wait_for
from drumline.prebuilt.injection import Injections, inject, injections_of
from drumline.prebuilt.outputs import Kind, Output, combined, msg_content_output, normalized
from drumline.prebuilt.relay import received, relay_of
from drumline.prebuilt.tool_errors import (
    INVALID_TOOL_NAME,
    Handling,
    ToolInvocationError,
    default_handling,
    error_content,
    handled_types,
    invocation_error,
    is_passed_on,
)
from drumline.prebuilt.tool_runtime import InjectedState, InjectedStore, ToolCallWithContext, ToolRuntime

__all__ = [
    "AsyncToolCallWrapper",
    "InjectedState",
    "InjectedStore",
    "ToolCallRequest",
    "ToolCallWithContext",
    "ToolCallWrapper",
    "ToolInvocationError",
    "ToolNode",
    "ToolRuntime",
    "msg_content_output",
    "tools_condition",
]

_SENT = "tool_call_with_context"


@dataclass
class ToolCallRequest:
    """A tool call as a wrapper sees it: the call, its tool (None if the node has none of that name), state, runtime."""

    tool_call: ToolCall
    tool: BaseTool | None
    state: Any
    runtime: ToolRuntime[Any, Any]

    def override(self, **changes: Any) -> ToolCallRequest:
        """A copy with these fields replaced. A new `state` is also that of the runtime."""
        request = replace(self, **changes)
        if "state" in changes and isinstance(request.runtime, ToolRuntime):
            request = replace(request, runtime=replace(request.runtime, state=request.state))
        return request


#: takes (request, execute) and gives the outcome; `execute(request)` runs the tool, as often as it is called
ToolCallWrapper = Callable[[ToolCallRequest, Callable[[ToolCallRequest], Any]], Any]
AsyncToolCallWrapper = Callable[[ToolCallRequest, Callable[[ToolCallRequest], Awaitable[Any]]], Awaitable[Any]]

Outcome = Output | list[Output]


class ToolNode(Runnable[Any, Any]):
    """A node that runs tools, several calls of one message at once (at most `config["max_concurrency"]`).

    Given: the state (the calls of its last AIMessage are run), a list of messages, a list of tool calls, or what
    `create_react_agent` sends: `{"__type": "tool_call_with_context", "tool_call": ..., "state": ...}`. Gives
    `{messages_key: [ToolMessage, ...]}` in order of calls (a bare list for a list of messages), or a list with the
    `Command`s that tools returned.

    `tools` are LangChain's or plain functions. `handle_tool_errors` says which exceptions become a ToolMessage with
    status "error": by default only arguments that do not fit the tool's schema, with True or a text all, with exception
    types those, with a function those that annotate its parameter; False: none. `wrap_tool_call(request, execute)` is
    called in place of each tool; `awrap_tool_call` likewise, where the node runs on an event loop.

    Async and sync tools may be mixed, under `stream()` and `astream()`: with a tool that is async only (or an async
    wrapper only) the node `needs_event_loop`, and its sync tools run in threads there. Threads know their task:
    `get_stream_writer()` works in every tool.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool | Callable[..., Any]],
        *,
        name: str = "tools",
        tags: list[str] | None = None,
        handle_tool_errors: Handling = default_handling,
        messages_key: str = "messages",
        wrap_tool_call: ToolCallWrapper | None = None,
        awrap_tool_call: AsyncToolCallWrapper | None = None,
    ) -> None:
        self.name = name
        self.tags = tags
        self._handling = handle_tool_errors
        self._handled = handled_types(handle_tool_errors)
        self._messages_key = messages_key
        self._wrap = wrap_tool_call
        self._awrap = awrap_tool_call
        made = [tool if isinstance(tool, BaseTool) else create_tool(tool) for tool in tools]
        self._tools: dict[str, BaseTool] = {tool.name: tool for tool in made}
        self._relays = {name: (relay_of(tool), injections_of(tool)) for name, tool in self._tools.items()}
        #: tools or wrappers want the state: then it travels with the calls that a `Send` brings alone
        self.reads_state = (
            wrap_tool_call is not None or awrap_tool_call is not None or any(map(_wants_state, self._relays.values()))
        )
        self.needs_event_loop = any(map(_async_only, made)) or (awrap_tool_call is not None and wrap_tool_call is None)

    @property
    def tools_by_name(self) -> dict[str, BaseTool]:
        """The tools, by the name that models call them by."""
        return self._tools

    # -- running ------------------------------------------------------------------------------------

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the calls in threads and wait for all. Raises what a tool raised, unless it is handled."""
        if self.needs_event_loop:
            return wait_for(self.ainvoke(input, config, **kwargs))
        config = ensure_config(config)
        kind, requests = self._requests(input, config)
        if len(requests) == 1:
            outcomes = [self._run(kind, requests[0])]
        else:
            with get_executor_for_config(config) as threads:
                outcomes = list(threads.map(partial(self._run, kind), requests))
        return combined(outcomes, kind, self._messages_key)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: ARG002
        """Run the calls as tasks of the running loop, sync tools in threads. Raises what a tool raised, likewise."""
        kind, requests = self._requests(input, ensure_config(config))
        if len(requests) == 1:
            outcomes = [await self._arun(kind, requests[0])]
        else:
            calls = [partial(self._arun, kind, request) for request in requests]
            outcomes = await _gathered(calls, ensure_config(config).get("max_concurrency"))
        return combined(outcomes, kind, self._messages_key)

    def _run(self, kind: Kind, request: ToolCallRequest) -> Outcome:
        execute = partial(self._execute, kind, request.runtime.config)
        if self._wrap is None:
            return execute(request)
        try:
            return cast("Outcome", self._wrap(request, execute))
        except Exception as error:
            return self._wrapper_failed(request.tool_call, error)

    async def _arun(self, kind: Kind, request: ToolCallRequest) -> Outcome:
        config = request.runtime.config
        if self._awrap is None:
            if self._wrap is None:
                return await self._aexecute(kind, config, request)
            # In a thread, where it may block: its `execute` is sync.
            return await run_in_executor(config, self._run, kind, request)
        try:
            return cast("Outcome", await self._awrap(request, partial(self._aexecute, kind, config)))
        except Exception as error:
            return self._wrapper_failed(request.tool_call, error)

    def _execute(self, kind: Kind, config: RunnableConfig, request: ToolCallRequest) -> Outcome:
        if request.tool is None:
            return self._unknown_tool(request.tool_call)
        relay, injections = self._relay(request)
        call = inject(request.tool_call, request.runtime, injections, self._messages_key)
        try:
            if _async_only(request.tool):
                response = wait_for(relay.ainvoke(call, config))
            else:
                response = relay.invoke(call, config)
            return normalized(received(response), request.tool_call, kind, self._messages_key)
        except Exception as error:
            return self._failed(request.tool_call, error, injections)

    async def _aexecute(self, kind: Kind, config: RunnableConfig, request: ToolCallRequest) -> Outcome:
        if request.tool is None:
            return self._unknown_tool(request.tool_call)
        relay, injections = self._relay(request)
        call = inject(request.tool_call, request.runtime, injections, self._messages_key)
        try:
            response = await relay.ainvoke(call, config)
            return normalized(received(response), request.tool_call, kind, self._messages_key)
        except Exception as error:
            return self._failed(request.tool_call, error, injections)

    def _relay(self, request: ToolCallRequest) -> tuple[BaseTool, Injections]:
        tool = request.tool
        assert tool is not None
        if tool is self._tools.get(tool.name):
            return self._relays[tool.name]
        return relay_of(tool), injections_of(tool)  # one that a wrapper put in

    # -- failures -----------------------------------------------------------------------------------

    def _unknown_tool(self, call: ToolCall) -> ToolMessage:
        text = INVALID_TOOL_NAME.format(requested_tool=call["name"], available_tools=", ".join(self._tools))
        return _error_message(call, text)

    def _failed(self, call: ToolCall, error: Exception, injections: Injections) -> ToolMessage:
        """The message that tells the model of an error; raises the error if it is not handled."""
        if is_passed_on(error):
            raise error
        if isinstance(error, ValidationError):
            cause = error
            error = invocation_error(call["name"], cause, call["args"], injections.names)
            error.__cause__ = cause
        if not isinstance(error, self._handled):
            raise error
        return _error_message(call, error_content(error, self._handling))

    def _wrapper_failed(self, call: ToolCall, error: Exception) -> ToolMessage:
        if is_passed_on(error) or not self._handled:
            raise error
        return _error_message(call, error_content(error, self._handling))

    # -- input --------------------------------------------------------------------------------------

    def _requests(self, input: Any, config: RunnableConfig) -> tuple[Kind, list[ToolCallRequest]]:
        kind, calls, state = self._parsed(input)
        if state is None and self.reads_state:
            state = state_of_task(config)
        runtime = runtime_of(config)
        tools = list(self._tools.values())
        requests = []
        for call, call_config in zip(calls, get_config_list(config, len(calls)), strict=True):
            tool_runtime: ToolRuntime[Any, Any] = ToolRuntime(
                state=state,
                context=runtime.context,
                config=call_config,
                stream_writer=runtime.stream_writer,
                tool_call_id=call["id"],
                store=runtime.store,
                tools=tools,
                execution_info=runtime.execution_info,
                server_info=runtime.server_info,
            )
            requests.append(ToolCallRequest(call, self._tools.get(call["name"]), state, tool_runtime))
        return kind, requests

    def _parsed(self, input: Any) -> tuple[Kind, list[ToolCall], Any]:
        """How the node was called, the calls, and the state for tools (None: there is none)."""
        key = self._messages_key
        kind: Kind = "dict"
        messages: Any
        if isinstance(input, list) and input and isinstance(input[-1], dict) and input[-1].get("type") == "tool_call":
            return "tool_calls", input, None
        if isinstance(input, dict) and input.get("__type") == _SENT:
            return "tool_calls", [input["tool_call"]], input["state"]
        if isinstance(input, list):
            kind, messages = "list", input
        else:
            messages = input.get(key) if isinstance(input, dict) else getattr(input, key, None)
        if not messages:
            raise ValueError(f"Tool node {self.name!r} was given no messages: {key!r} is missing or empty.")
        last = next((message for message in reversed(messages) if isinstance(message, AIMessage)), None)
        if last is None:
            raise ValueError(f"Tool node {self.name!r} found no AIMessage among its messages, so no tool calls.")
        return kind, list(last.tool_calls), input


def _wants_state(relay: tuple[BaseTool, Injections]) -> bool:
    injections = relay[1]
    return bool(injections.state) or injections.runtime is not None


def _async_only(tool: BaseTool) -> bool:
    """Whether a tool has only an async half; a class of tools can say so itself, by `needs_event_loop = True`."""
    if getattr(tool, "needs_event_loop", None) is True:
        return True
    return getattr(tool, "coroutine", None) is not None and getattr(tool, "func", None) is None


def _error_message(call: ToolCall, text: str) -> ToolMessage:
    return ToolMessage(text, name=call["name"], tool_call_id=call["id"], status="error")


async def _gathered(calls: Sequence[Callable[[], Coroutine[Any, Any, Outcome]]], limit: int | None) -> list[Outcome]:
    """Results in order, of at most `limit` calls at once. When one fails the others are cancelled, and those that wait
    never begin: none may go on after its node has failed.
    """
    gate = asyncio.Semaphore(limit) if limit else nullcontext()

    async def run(call: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        async with gate:
            try:
                return await call()
            except BaseException:  # before its place is free for the next
                for other in tasks:
                    if other is not asyncio.current_task():
                        other.cancel()
                raise

    tasks = [asyncio.ensure_future(run(call)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def tools_condition(state: Any, messages_key: str = "messages") -> Literal["tools", "__end__"]:
    """A router: to the node `tools` if the last message calls tools, else to the end.

    `state` is a dict, an object with the messages as attribute, or a list of messages; ValueError without messages.
    """
    messages: Any
    if isinstance(state, list):
        messages = state
    else:
        messages = state.get(messages_key) if isinstance(state, dict) else getattr(state, messages_key, None)
    if not messages:
        raise ValueError(f"tools_condition found no messages under {messages_key!r} in {state!r}.")
    return "tools" if getattr(messages[-1], "tool_calls", None) else "__end__"
