"""The guide's model examples with the real clients: what the guide prints, and LangGraph's stream token by token."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.differential import guide_models
from tests.differential.engines import LANGGRAPH, Engine
from tests.differential.guide_models import ASYNC_ONLY, EXAMPLES, INPUTS
from tests.differential.harness import ALL_MODES, raw, same

from .openai_server import OpenAIServer, tokens_of

pytestmark = pytest.mark.usefixtures("openai_server")

MODES = [*ALL_MODES, "messages"]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_as_langgraph(other: Engine, name: str, use_async: bool) -> None:
    """Item by item where nothing races, metadata and all. LangGraph runs async examples by astream() only."""
    stream = same(
        lambda e: guide_models.graph(e, name),
        other,
        INPUTS[name],
        MODES,
        exact=name != "nodes",
        use_async=use_async or name in ASYNC_ONLY,
        other_async=use_async,
    )
    assert stream.error is None
    assert bool(stream.payloads("messages")) == (name != "client")


def chunks(e: Engine, name: str, mode: str, *, use_async: bool = True) -> list[Any]:
    items, error = raw(e.runnable(guide_models.graph(e, name)), INPUTS[name], use_async=use_async, stream_mode=mode)
    assert error is None
    return items


def test_tokens(other: Engine) -> None:
    found = chunks(other, "tokens", "messages", use_async=False)
    shown = [chunk.content for chunk, _ in found if chunk.content]
    assert shown == tokens_of("About Generate a joke about ice cream")
    assert {(meta["langgraph_step"], meta["langgraph_node"]) for _, meta in found} == {(1, "generate_joke")}
    assert {meta["ls_model_name"] for _, meta in found} == {"gpt-4o-mini"}


def test_filter_by_tags(other: Engine) -> None:
    found = chunks(other, "tags", "messages")
    shown = [chunk.content for chunk, meta in found if chunk.content and meta["tags"] == ["joke"]]
    assert shown == tokens_of("About Write a joke about cats")


def test_filter_by_node(other: Engine) -> None:
    found = chunks(other, "nodes", "messages", use_async=False)
    shown = [chunk.content for chunk, meta in found if chunk.content and meta["langgraph_node"] == "write_poem"]
    assert shown == tokens_of("About Write a short poem about cats")


def test_the_openai_client(other: Engine) -> None:
    found = chunks(other, "client", "custom")
    assert "".join(chunk["content"] for chunk in found if "content" in chunk) == "About List items found in kitchen"
    assert {chunk["role"] for chunk in found} == {"assistant"}


@pytest.mark.parametrize("options", [{}, {"stream_usage": True}, {"streaming": False}, {"disable_streaming": True}])
def test_options_of_the_model(other: Engine, options: dict[str, Any]) -> None:
    """Usage at the end, or one whole message: whatever the model does, LangGraph shows it the same."""
    from langchain_openai import ChatOpenAI
    from tests.differential.states import EMPTY, chain

    def build(e: Engine) -> Any:
        model = ChatOpenAI(model="gpt-4o-mini", temperature=0.1, max_completion_tokens=9, **options)
        return chain(e, lambda _: {"log": [str(model.invoke("cats").usage_metadata)]})

    same(build, other, EMPTY, MODES, exact=True)


def test_tool_calls(other: Engine) -> None:
    """Chunks of a tool call, the tool's message, and the answer to it."""
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from tests.differential.states import chain

    @tool
    def get_items(place: str) -> str:
        """List items that one finds in a place."""
        return f"books in the {place}"

    def build(e: Engine) -> Any:
        model = ChatOpenAI(model="gpt-4o-mini").bind_tools([get_items])

        def ask(state: Any) -> Any:
            return {"messages": [model.invoke(state["messages"])]}

        def use(state: Any) -> Any:
            (call,) = state["messages"][-1].tool_calls
            return {"messages": [ToolMessage(get_items.invoke(call["args"]), tool_call_id=call["id"])]}

        return chain(e, ask, use, ask, state=e.MessagesState)

    question = {"messages": [{"role": "user", "content": '!call get_items {"place": "office"}', "id": "q"}]}
    stream = same(build, other, question, MODES, exact=True)
    text = "".join(str(message.content) for message, _ in stream.payloads("messages"))
    assert text == "books in the officeThe tool said books in the office"
    parts = [
        part["args"] for message, _ in stream.payloads("messages") for part in getattr(message, "tool_call_chunks", [])
    ]
    assert "".join(parts) == '{"place": "office"}' and len(parts) > 2


def test_what_openai_sends_crosses_the_wire(openai_server: OpenAIServer) -> None:
    """Every chunk and message comes back as it was, and all of them together are small."""
    from langchain_openai import ChatOpenAI

    from drumline_protocol.codec import Codec

    codec = Codec()
    model = ChatOpenAI(model="gpt-4o-mini", base_url=openai_server.url, stream_usage=True)
    found: list[Any] = [*model.stream("one two"), model.invoke("one two", logprobs=True)]
    tools = model.bind_tools([{"type": "function", "function": {"name": "f", "parameters": {}}}])
    found += [*tools.stream('!call f {"a": [1]}'), tools.invoke('!call f {"a": [1]}'), tools.invoke("!call f {")]
    for message in found:
        result = codec.decode(codec.encode(message))
        assert type(result) is type(message) and result.__dict__ == message.__dict__
        assert result.model_fields_set == message.model_fields_set
    assert found[-1].invalid_tool_calls and found[-2].tool_calls


def test_async_clients_under_gather(other: Engine) -> None:
    """Several models of one node at once, each one's tokens in order."""
    from langchain_core.runnables import RunnableConfig
    from langchain_openai import ChatOpenAI
    from tests.differential.states import EMPTY, chain

    async def node(_: Any, config: RunnableConfig) -> Any:
        model = ChatOpenAI(model="gpt-4o-mini")
        answers = await asyncio.gather(*(model.ainvoke(f"question {n}", config) for n in range(4)))
        return {"log": [answer.content for answer in answers]}

    def told(e: Engine) -> list[list[str]]:
        items, error = raw(chain(e, node), EMPTY, use_async=True, stream_mode="messages")
        assert error is None
        words: dict[str, list[str]] = {}
        for chunk, _ in items:
            words.setdefault(chunk.id, []).append(chunk.content)
        return sorted(words.values())

    assert told(other) == told(LANGGRAPH)
    assert len(told(other)) == 4
