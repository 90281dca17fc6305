"""Where agents and tools differ from LangGraph's on purpose: the lines of docs/differences.md, on both engines."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from tests.prebuilt.models import Scripted, call

from .engines import LANGGRAPH, Engine
from .harness import ASYNC_ORACLE, raw

pytestmark = [
    pytest.mark.filterwarnings("ignore:create_react_agent has been moved"),
    pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python"),
]


@pytest.fixture(autouse=True)
def own_engine(other: Engine) -> None:
    if other.adapts:
        pytest.skip("about drumline's own agents and tools")


HELLO = {"messages": [HumanMessage("hello", id="h")]}


def asking(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [call(f"c{number}", name, args) for number, (name, args) in enumerate(calls)]
    return {"messages": [AIMessage("", id="a", tool_calls=made)]}


def graph_of(e: Engine, node: Any) -> Any:
    return e.StateGraph(e.MessagesState).add_node("tools", node).add_edge(e.START, "tools").compile()


def answer(graph: Any, given: Any, **options: Any) -> str:
    """The last message's text, or the kind of error."""
    items, error = raw(graph, given, stream_mode="values", **options)
    return type(error).__name__ if error is not None else str(items[-1]["messages"][-1].text)


@tool
async def later(text: str) -> str:
    """Say it later."""
    await asyncio.sleep(0)
    return text


@tool
def now(text: str) -> str:
    """Say it now."""
    return text


def test_an_async_tool_in_a_sync_stream(other: Engine) -> None:
    given = asking(("later", {"text": "x"}))
    assert answer(graph_of(LANGGRAPH, LANGGRAPH.ToolNode([later])), given) == "NotImplementedError"
    assert answer(graph_of(other, other.ToolNode([later])), given) == "x"


def test_an_async_prompt_or_choice_in_a_sync_stream(other: Engine) -> None:
    async def prompt(state: Any) -> Any:
        return state["messages"]

    async def choose(_state: Any, _runtime: Any) -> Any:
        return Scripted(turns=["hi"])

    makers: list[Any] = [
        lambda e: e.create_react_agent(Scripted(turns=["hi"]), [], prompt=prompt),
        lambda e: e.create_react_agent(choose, []),
    ]
    for make in makers:
        assert answer(make(LANGGRAPH), HELLO) in ("TypeError", "RuntimeError")
        assert answer(make(other), HELLO) == "hi"


def test_a_sync_wrapper_around_an_async_tool(other: Engine) -> None:
    def wrap(request: Any, execute: Any) -> Any:
        return execute(request)

    given = asking(("later", {"text": "x"}))
    theirs = graph_of(LANGGRAPH, LANGGRAPH.ToolNode([later], wrap_tool_call=wrap))
    assert answer(theirs, given, use_async=True) == "NotImplementedError"
    assert answer(graph_of(other, other.ToolNode([later], wrap_tool_call=wrap)), given, use_async=True) == "x"


def test_an_async_wrapper_in_a_sync_stream(other: Engine) -> None:
    async def wrap(request: Any, _execute: Any) -> Any:
        return ToolMessage("wrapped", tool_call_id=request.tool_call["id"])

    given = asking(("now", {"text": "x"}))
    assert answer(graph_of(LANGGRAPH, LANGGRAPH.ToolNode([now], awrap_tool_call=wrap)), given) == "x"
    assert answer(graph_of(other, other.ToolNode([now], awrap_tool_call=wrap)), given) == "wrapped"


def test_siblings_of_a_failing_tool(other: Engine) -> None:
    def run(e: Engine) -> bool:
        cancelled = threading.Event()

        @tool
        async def hangs() -> str:
            """Never end by itself."""
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return ""

        @tool
        async def breaks() -> str:
            """Raise."""
            raise LookupError

        async def drive() -> bool:
            with pytest.raises(LookupError):
                await graph_of(e, e.ToolNode([hangs, breaks])).ainvoke(asking(("hangs", {}), ("breaks", {})))
            return cancelled.is_set()  # before the loop ends, which cancels whatever is left

        return asyncio.run(drive())

    assert (run(LANGGRAPH), run(other)) == (False, True)


def test_updates_of_commands_for_the_parent(other: Engine) -> None:
    def run(e: Engine) -> list[str]:
        @tool
        def leaves(who: str) -> Any:
            """Hand over."""
            update = {"messages": [HumanMessage(who, id=who)]}
            return e.Command(graph=e.Command.PARENT, update=update, goto=[e.Send("other", {})])

        child = graph_of(e, e.ToolNode([leaves]))
        graph = e.StateGraph(e.MessagesState).add_node("child", child).add_node("other", lambda _: None)
        state = (
            graph.add_edge(e.START, "child")
            .compile()
            .invoke(asking(("leaves", {"who": "x"}), ("leaves", {"who": "y"})))
        )
        return [message.text for message in state["messages"][1:]]

    assert (run(LANGGRAPH), run(other)) == ([], ["x", "y"])


def test_limit_of_a_graph_that_a_tool_calls(other: Engine) -> None:
    def run(e: Engine) -> int:
        class State(e.MessagesState):  # type: ignore[misc,name-defined]
            left: e.RemainingSteps  # type: ignore[name-defined]

        left: list[int] = []
        inner = (
            e.StateGraph(State).add_node("n", lambda state: left.append(state["left"])).add_edge(e.START, "n").compile()
        )

        @tool
        def calls() -> str:
            """Call a graph."""
            inner.invoke(HELLO)
            return ""

        graph_of(e, e.ToolNode([calls])).invoke(asking(("calls", {})))
        return left[0]

    theirs, ours = run(LANGGRAPH), run(other)
    assert theirs < 25 < 10_000 < ours


def test_input_of_the_model_node_behind_a_hook(other: Engine) -> None:
    def run(e: Engine) -> list[Any]:
        agent = e.create_react_agent(
            Scripted(turns=["hi"]), [], pre_model_hook=lambda _: {"llm_input_messages": [SHORT]}
        )
        items = list(agent.stream(HELLO, stream_mode="tasks"))
        (task,) = (item for item in items if item["name"] == "agent" and "input" in item)
        return list(task["input"]["messages"])

    assert [m.text for m in run(LANGGRAPH)] == ["short"]
    assert [m.text for m in run(other)] == ["hello"]


SHORT = HumanMessage("short", id="s")
