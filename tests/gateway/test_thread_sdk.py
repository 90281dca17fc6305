"""`client.threads.stream` of LangGraph's Python client, over server-sent events and over a WebSocket."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langgraph_sdk import get_client


@pytest.fixture(params=["sse", "websocket"])
def transport(request: pytest.FixtureRequest) -> Any:
    return request.param


@asynccontextmanager
async def opened(url: str, **given: Any) -> AsyncIterator[Any]:
    async with get_client(url=url) as client, client.threads.stream(**given) as stream:
        yield stream


async def collect(items: Any) -> list[Any]:
    return [item async for item in items]


def test_a_model_is_heard_word_by_word(url: str, transport: Any) -> None:
    async def drive() -> None:
        async with opened(url, assistant_id="chat", transport=transport) as stream:
            await stream.run.start(input={"messages": [{"role": "user", "content": "hi there"}]})
            (message,) = await collect(stream.messages)
            assert message.node == "model"
            assert await collect(message.text) == ["you", " ", "said", " ", "hi", " ", "there"]
            assert (await message.output).id == (await stream.output)["messages"][-1]["id"]

    asyncio.run(asyncio.wait_for(drive(), 60))


def test_a_question_is_answered_on_the_same_stream(url: str, transport: Any) -> None:
    async def drive() -> None:
        async with opened(url, assistant_id="ask", transport=transport) as stream:
            await stream.run.start(input={"topic": "why"})
            await collect(stream.values)  # ends with the question
            (asked,) = stream.interrupts
            assert (asked["value"], asked["namespace"]) == ({"question": "why"}, [])
            await stream.run.respond("because")
            assert await stream.output == {"topic": "why", "said": ["heard 0", "because"]}

    asyncio.run(asyncio.wait_for(drive(), 60))


def test_graphs_within_are_found(url: str, transport: Any) -> None:
    async def drive() -> None:
        async with opened(url, assistant_id="nested", transport=transport) as stream:
            await stream.run.start(input={"said": ["x"]})
            (within,) = await collect(stream.subgraphs)
            assert (within.graph_name, within.status) == ("inner", "completed")

    asyncio.run(asyncio.wait_for(drive(), 60))


def test_a_failure_is_raised(url: str, transport: Any) -> None:
    async def drive() -> None:
        async with opened(url, assistant_id="fail", transport=transport) as stream:
            await stream.run.start(input={"said": []})
            with pytest.raises(RuntimeError, match="ValueError: this graph always fails"):
                await stream.output

    asyncio.run(asyncio.wait_for(drive(), 60))


def test_a_thread_that_is_known_is_gone_on_with(url: str, transport: Any) -> None:
    """Each time the client begins to watch before it starts a run, and must not take the end of another for its own."""
    thread = str(uuid.uuid4())

    async def drive() -> None:
        for turn in range(3):
            async with opened(url, thread_id=thread, assistant_id="chat", transport=transport) as stream:
                await stream.run.start(input={"messages": [{"role": "user", "content": f"turn {turn}"}]})
                messages, output = await asyncio.gather(collect(stream.messages), stream.output)
                assert [await message.text for message in messages] == [f"you said turn {turn}"]
                assert [each["content"] for each in output["messages"]][2 * turn :] == [
                    f"turn {turn}",
                    f"you said turn {turn}",
                ]

    asyncio.run(asyncio.wait_for(drive(), 60))
