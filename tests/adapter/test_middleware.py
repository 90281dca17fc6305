"""`create_agent` with LangChain's own middleware: the adapter's stream is LangGraph's, tokens and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents import middleware as m
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from tests.adapter.inputs import MODES
from tests.differential.compare import difference
from tests.differential.harness import ASYNC_ORACLE, record
from tests.prebuilt.models import Scripted

from drumline.langgraph import adapt

GIVEN = {"messages": [HumanMessage("hello, I am a@b.com", id="h")]}
TWO_CALLS = [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(return_direct=True)
def stop(x: int) -> str:
    """Stop with this."""
    return f"stopped at {x}"


@tool
def fails(x: int) -> str:
    """Fail."""
    raise ValueError(f"no {x}")


@m.dynamic_prompt
def prompt(request: Any) -> str:
    return f"You were given {len(request.messages)} messages."


@m.wrap_tool_call
def twice(request: Any, handler: Callable[[Any], Any]) -> Any:
    handler(request)
    return handler(request)


@m.wrap_tool_call
async def atwice(request: Any, handler: Callable[[Any], Any]) -> Any:
    await handler(request)
    return await handler(request)


@m.wrap_tool_call
def forgives(request: Any, handler: Callable[[Any], Any]) -> Any:
    try:
        return handler(request)
    except ValueError as error:
        return ToolMessage(f"it said: {error}", tool_call_id=request.tool_call["id"])


@m.before_model(can_jump_to=["end"])
def leaves(state: Any, runtime: Any) -> Any:
    runtime.stream_writer({"lane": "leaves.before_model", "messages": len(state["messages"])})
    return {"jump_to": "end"} if len(state["messages"]) > 2 else None


@m.after_agent
def counts(state: Any, runtime: Any) -> None:
    runtime.stream_writer({"lane": "counts.after_agent", "messages": len(state["messages"])})


def agent(tools: list[Any], *middleware: Any, turns: Any = (TWO_CALLS, "done"), **options: Any) -> Any:
    return create_agent(Scripted(turns=list(turns), **options), tools, middleware=list(middleware))


TODO = [("write_todos", {"todos": [{"content": "x", "status": "pending"}]})]
FAILING = ([("fails", {"x": 1})], "done")
AGENTS: dict[str, Callable[[], Any]] = {
    "plain": lambda: agent([add]),
    "a human is asked": lambda: agent([add], m.HumanInTheLoopMiddleware(interrupt_on={"add": True})),
    "limit of tool calls": lambda: agent(
        [add], m.ToolCallLimitMiddleware(run_limit=2), turns=(TWO_CALLS, TWO_CALLS, "done")
    ),
    "limit of model calls": lambda: agent([add], m.ModelCallLimitMiddleware(run_limit=1)),
    "todos": lambda: agent([add], m.TodoListMiddleware(), turns=(TODO, "done")),
    "prompt": lambda: agent([add], prompt, echo=True),
    "summary": lambda: agent(
        [add], m.SummarizationMiddleware(Scripted(turns=["so far"]), trigger=("messages", 3), keep=("messages", 1))
    ),
    "edited context": lambda: agent([add], m.ContextEditingMiddleware()),
    "personal data": lambda: agent([add], m.PIIMiddleware("email", apply_to_output=True), turns=("ask c@d.com",)),
    "jump": lambda: agent([add], leaves),
    "two hooks": lambda: agent([add], leaves, counts),
    "return direct": lambda: agent([add, stop], turns=([("stop", {"x": 1})], "done")),
    "failing tool": lambda: agent([fails], turns=FAILING),
    "tool is retried": lambda: agent(
        [fails], m.ToolRetryMiddleware(max_retries=1, initial_delay=0.001, jitter=False), turns=FAILING
    ),
    "sync wrapper": lambda: agent([add], twice),
    "async wrapper": lambda: agent([add], atwice),
    "forgiving wrapper": lambda: agent([fails], forgives, turns=FAILING),
}
#: LangChain refuses to run these the other way
SYNC_ONLY, ASYNC_ONLY = {"sync wrapper", "forgiving wrapper"}, {"async wrapper"}


@pytest.mark.parametrize("strict", [False, True], ids=["by reference", "strict"])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", AGENTS)
def test_streams_are_those_of_langgraph(name: str, use_async: bool, strict: bool) -> None:
    if name in (SYNC_ONLY if use_async else ASYNC_ONLY):
        pytest.skip("LangChain has no such half of this middleware")
    if use_async and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    build = AGENTS[name]
    reference = record(build(), GIVEN, MODES, use_async=use_async)
    ours = record(adapt(build(), strict_wire=strict), GIVEN, MODES, use_async=use_async)
    found = difference(reference, ours)
    assert found is None, found
    assert (reference.error is None) == (name != "failing tool")
