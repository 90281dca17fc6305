"""A tool asks a person, whose answer has not the form that was asked for: no mistake of the model's, and no end."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError
from tests.differential.engines import ADAPTED, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

from drumline.testing import local_cluster

engines = pytest.mark.parametrize("e", [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT, ADAPTED], ids=repr)
handlings = pytest.mark.parametrize("handling", [None, True, "sorry", (ValueError,), repr])
ASKS = {"messages": [AIMessage("", tool_calls=[{"name": "approve", "args": {}, "id": "1"}])]}
CONFIG: Any = {"configurable": {"thread_id": "1"}}


class Form(BaseModel):
    ok: bool


class Answer(TypedDict):
    text: str


def passing(request: Any, handler: Any) -> Any:
    return handler(request)


async def apassing(request: Any, handler: Any) -> Any:
    return await handler(request)


def built(e: Engine, *, nested: bool, wrapped: bool = False, handling: Any = None) -> Any:
    def ask(_state: Any = None) -> Any:
        return {"text": f"ok={e.interrupt('ok?', response_schema=Form).ok}"}

    asker = e.StateGraph(Answer).add_node("ask", ask).add_edge(e.START, "ask").compile()

    @tool
    def approve() -> str:
        """Ask a person."""
        return str((asker.invoke({}) if nested else ask())["text"])

    options: dict[str, Any] = {} if handling is None else {"handle_tool_errors": handling}
    if wrapped:
        options |= {"wrap_tool_call": passing, "awrap_tool_call": apassing}
    tools = e.ToolNode([approve], **options)
    return e.StateGraph(e.MessagesState).add_node("tools", tools).add_edge(e.START, "tools")


@engines
@handlings
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
@pytest.mark.parametrize("nested", [False, True], ids=["tool", "graph"])
def test_the_run_fails_and_the_question_waits_on(e: Engine, nested: bool, wrapped: bool, handling: Any) -> None:
    builder = built(e, nested=nested, wrapped=wrapped, handling=handling)
    graph = e.runnable(builder.compile(checkpointer=e.InMemorySaver()))
    (question,) = graph.invoke(ASKS, CONFIG)["__interrupt__"]
    with pytest.raises(ValidationError, match="ok"):
        graph.invoke(e.Command(resume={question.id: {"ok": "perhaps"}}), CONFIG)
    assert [each.id for each in graph.get_state(CONFIG).interrupts] == [question.id]
    (*_, told) = graph.invoke(e.Command(resume={question.id: {"ok": True}}), CONFIG)["messages"]
    assert isinstance(told, ToolMessage)
    assert (told.content, told.status) == ("ok=True", "success")


@pytest.mark.parametrize("nested", [False, True], ids=["tool", "graph"])
def test_on_a_cluster(nested: bool) -> None:
    e = DRUMLINE
    with local_cluster({"talk": built(e, nested=nested, handling=True).compile()}) as cluster:
        graph = cluster.graph("talk")
        (question,) = graph.invoke(ASKS, CONFIG)["__interrupt__"]
        with pytest.raises(Exception, match="ok"):
            graph.invoke(e.Command(resume={question.id: {"ok": "perhaps"}}), CONFIG)
        (*_, told) = graph.invoke(e.Command(resume={question.id: {"ok": True}}), CONFIG)["messages"]
        assert told.content == "ok=True"
