"""Sync and async tools under both kinds of stream; LangGraph has no such behaviour to compare with."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, tool
from tests.prebuilt.models import Scripted, call

from drumline.config import get_config, get_stream_writer
from drumline.graph import START, MessagesState, StateGraph
from drumline.prebuilt import ToolNode, create_react_agent

HELLO = {"messages": [HumanMessage("what items are in the office?", id="h")]}
WAIT_S = 30


@tool
async def get_items(place: str) -> str:
    """Use this tool to list items one might find in a place."""
    writer = get_stream_writer()
    items = ["books", "pencils", "pictures"]
    for chunk in items:
        writer({"custom_tool_data": chunk})
        await asyncio.sleep(0)
    return f"{place}: {', '.join(items)}"


@tool
def get_rooms(floor: int) -> str:
    """Use this tool to list rooms."""
    get_stream_writer()({"floor": floor})
    return "office, kitchen"


async def _acollect(stream: Any) -> list[Any]:
    return [item async for item in stream]


def collect(graph: Any, given: Any, *, use_async: bool, **options: Any) -> list[Any]:
    if use_async:
        return asyncio.run(_acollect(graph.astream(given, **options)))
    return list(graph.stream(given, **options))


def node_graph(node: ToolNode) -> Any:
    return StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile()


def asking(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [call(f"c{index}", name, args) for index, (name, args) in enumerate(calls)]
    return {"messages": [AIMessage("", id="a", tool_calls=made)]}


both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
versions = pytest.mark.parametrize("version", ["v1", "v2"])


@both_ways
@versions
@pytest.mark.parametrize("strict", [False, True], ids=["embedded", "strict"])
def test_both_kinds_of_tools_in_one_turn(
    monkeypatch: pytest.MonkeyPatch, version: Any, use_async: bool, strict: bool
) -> None:
    monkeypatch.setenv("DRUMLINE_STRICT_WIRE", "1" if strict else "0")
    model = Scripted(turns=[[("get_items", {"place": "office"}), ("get_rooms", {"floor": 2})], "done"])
    agent = create_react_agent(model, [get_items, get_rooms], version=version)
    items = collect(agent, HELLO, use_async=use_async, stream_mode=["custom", "values"])
    custom = [payload for mode, payload in items if mode == "custom"]
    assert [c for c in custom if "floor" not in c] == [
        {"custom_tool_data": "books"},
        {"custom_tool_data": "pencils"},
        {"custom_tool_data": "pictures"},
    ]
    assert {"floor": 2} in custom
    told = [m.content for m in items[-1][1]["messages"] if isinstance(m, ToolMessage)]
    assert told == ["office: books, pencils, pictures", "office, kitchen"]


@both_ways
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_custom_data_arrives_while_the_tool_runs(use_async: bool, kind: str) -> None:
    """The tool goes on only when its first item was read: no item waits for the tool's end."""
    seen = threading.Event()

    @tool
    def waits() -> str:
        """Wait until somebody has seen the first item."""
        get_stream_writer()("first")
        assert seen.wait(WAIT_S)
        return "seen"

    @tool
    async def awaits() -> str:
        """Wait until somebody has seen the first item."""
        get_stream_writer()("first")
        assert await asyncio.to_thread(seen.wait, WAIT_S)
        return "seen"

    chosen = waits if kind == "sync" else awaits
    agent = create_react_agent(Scripted(turns=[[(chosen.name, {})], "done"]), [chosen])
    got: list[Any] = []

    async def read() -> None:
        async for item in agent.astream(HELLO, stream_mode="custom"):
            got.append(item)
            seen.set()

    if use_async:
        asyncio.run(read())
    else:
        for item in agent.stream(HELLO, stream_mode="custom"):
            got.append(item)
            seen.set()
    assert got == ["first"]


def both_halves() -> BaseTool:
    def half() -> str:
        """Say which half ran."""
        return "sync"

    async def ahalf() -> str:
        return "async"

    made: Any = tool(half)
    made.coroutine = ahalf
    return made


@both_ways
def test_a_tool_with_both_halves_uses_what_fits(use_async: bool) -> None:
    items = collect(
        node_graph(ToolNode([both_halves()])), asking(("half", {})), use_async=use_async, stream_mode="values"
    )
    assert items[-1]["messages"][-1].content == ("async" if use_async else "sync")


def test_a_model_node_uses_what_fits() -> None:
    class Halves(Scripted):
        """Says which half was called."""

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            self.turns.append("sync")
            return super()._generate(*args, **kwargs)

        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            self.turns.append("async")
            return super()._generate(*args, **kwargs)

    model = Halves(turns=["x"], disable_streaming=True)
    agent = create_react_agent(model, [get_rooms])
    agent.invoke(HELLO)
    asyncio.run(agent.ainvoke(HELLO))
    assert model.turns[1:] == ["sync", "async"]


@both_ways
def test_every_tool_knows_its_task(use_async: bool) -> None:
    """Also sync tools in threads of an async node: drumline's context and LangChain's are copied."""

    @tool
    def looks() -> str:
        """Look around."""
        lang: Any = var_child_runnable_config.get()
        names = {get_config()["metadata"]["langgraph_node"], lang["metadata"]["langgraph_node"]}
        return f"{names} {lang['tags']} {lang['configurable']['user']}"

    config = {"tags": ["run-tag"], "configurable": {"user": "ann"}}
    for tools in ([looks], [looks, get_items]):
        graph = node_graph(ToolNode(tools))
        items = collect(graph, asking(("looks", {})), use_async=use_async, stream_mode="values", config=config)
        assert items[-1]["messages"][-1].content == "{'tools'} ['run-tag'] ann"


@both_ways
def test_tools_of_one_task_run_side_by_side(use_async: bool) -> None:
    """Each waits for the other: one after the other they would never end."""
    barrier = threading.Barrier(2, timeout=WAIT_S)

    @tool
    def meets(who: str) -> str:
        """Meet the other one."""
        barrier.wait()
        return who

    for tools in ([meets], [meets, get_items]):
        given = asking(("meets", {"who": "a"}), ("meets", {"who": "b"}))
        items = collect(node_graph(ToolNode(tools)), given, use_async=use_async, stream_mode="values")
        assert [m.content for m in items[-1]["messages"][1:]] == ["a", "b"]


@both_ways
def test_a_failing_tool_ends_its_siblings(use_async: bool) -> None:
    ended = threading.Event()

    @tool
    async def hangs() -> str:
        """Never end."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    @tool
    async def breaks() -> str:
        """Raise."""
        raise LookupError("broken")

    graph = node_graph(ToolNode([hangs, breaks]))
    with pytest.raises(LookupError, match="broken"):
        collect(graph, asking(("hangs", {}), ("breaks", {})), use_async=use_async)
    assert ended.is_set()


def test_a_tool_node_by_itself() -> None:
    """Outside of any graph, also with async tools from sync code."""
    node = ToolNode([get_rooms_quietly, aget_rooms_quietly])
    given = asking(("get_rooms_quietly", {"floor": 1}), ("aget_rooms_quietly", {"floor": 2}))
    assert [m.content for m in node.invoke(given)["messages"]] == ["floor 1", "floor 2"]
    assert [m.content for m in asyncio.run(node.ainvoke(given))["messages"]] == ["floor 1", "floor 2"]
    assert [m.content for m in node.invoke(given["messages"])] == ["floor 1", "floor 2"]


@tool
def get_rooms_quietly(floor: int) -> str:
    """List rooms."""
    return f"floor {floor}"


@tool
async def aget_rooms_quietly(floor: int) -> str:
    """List rooms."""
    return f"floor {floor}"


@both_ways
def test_a_sync_wrapper_around_an_async_tool(use_async: bool) -> None:
    """LangGraph calls such a wrapper on the event loop and fails; here it has a thread, and waits for the tool."""

    def wrap(request: Any, execute: Any) -> Any:
        first, second = execute(request), execute(request)
        return ToolMessage(f"{first.content}, {second.content}", tool_call_id=request.tool_call["id"])

    graph = node_graph(ToolNode([aget_rooms_quietly], wrap_tool_call=wrap))
    items = collect(graph, asking(("aget_rooms_quietly", {"floor": 2})), use_async=use_async, stream_mode="values")
    assert items[-1]["messages"][-1].content == "floor 2, floor 2"


class AsyncClass(BaseTool):
    """A class of tools that says itself that it is async only."""

    name: str = "own"
    description: str = "Own."
    needs_event_loop: bool = True

    def _run(self) -> str:
        raise NotImplementedError

    async def _arun(self) -> str:
        return "own"


@both_ways
def test_a_class_of_tools_may_say_that_it_is_async_only(use_async: bool) -> None:
    items = collect(
        node_graph(ToolNode([AsyncClass()])), asking(("own", {})), use_async=use_async, stream_mode="values"
    )
    assert items[-1]["messages"][-1].content == "own"


def test_an_agent_of_async_tools_inside_a_sync_node_of_async_caller() -> None:
    """Three levels: an async run, a sync node that calls an agent, whose tool is async."""
    inner = create_react_agent(Scripted(turns=[[("get_items", {"place": "x"})], "inner done"]), [get_items])

    def calls(state: Any) -> Any:
        return {"messages": inner.invoke({"messages": state["messages"]})["messages"][-1:]}

    graph = StateGraph(MessagesState).add_node(calls).add_edge(START, "calls").compile()
    assert asyncio.run(graph.ainvoke(HELLO))["messages"][-1].content == "inner done"  # type: ignore[call-overload]
    assert graph.invoke(HELLO)["messages"][-1].content == "inner done"  # type: ignore[call-overload]
