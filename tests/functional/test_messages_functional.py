"""Messages of an entrypoint and its tasks, tokens of models among them, are shown as LangGraph shows them."""

from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH
from tests.threads.traces import plain


def model() -> Any:
    return GenericFakeChatModel(messages=iter([AIMessage("one two", id="m1"), AIMessage("three", id="m2")]))


def built(e: Any) -> Any:
    chat = model()

    @e.task
    def ask(text: str) -> Any:
        return chat.invoke(text)

    @e.task
    def around(text: str) -> Any:
        return ask(text).result()

    @e.task
    def fixed() -> Any:
        return HumanMessage("fixed", id="h1")

    @e.entrypoint()
    def entry(text: str) -> Any:
        first = around(text).result()
        chat.invoke("again")
        return [first, fixed().result(), AIMessage("last", id="m3")]

    if e.strict:
        entry.strict_wire = True
    return entry


def shown(graph: Any, **options: Any) -> list[str]:
    def told(item: Any) -> str:
        ns, (message, metadata) = item if options.get("subgraphs") else ((), item)
        keys = ("langgraph_node", "langgraph_step", "langgraph_triggers", "langgraph_path", "langgraph_checkpoint_ns")
        return plain([ns, message.content, message.id, {key: metadata.get(key) for key in keys}])

    return [told(item) for item in graph.stream("hello", stream_mode="messages", **options)]


@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("subgraphs", [False, True], ids=["flat", "subgraphs"])
def test_messages_are_equal(subgraphs: bool, engine: Any) -> None:
    theirs = shown(built(LANGGRAPH), subgraphs=subgraphs)
    assert shown(built(engine), subgraphs=subgraphs) == theirs
    assert len(theirs) > 4
