"""Chat models for the token workload, and the graphs around them. Imports LangChain, so no other workload's process
loads it: `GRAPHS` is served by a cluster of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from benchmarks.graphs import Count, Library, Pace, drumline, langgraph


class Talker(BaseChatModel):
    """Streams `count` tokens: as fast as it goes, or `rate` a second from `begin` on (async), each with its time.

    All three are given with the call. What happens to a token between here and the stream is LangChain's, and that of
    the engine around it: a new `AIMessageChunk` for each, as the models of real providers make them.
    """

    @property
    def _llm_type(self) -> str:
        return "talker"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del messages, stop, run_manager, kwargs
        return ChatResult(generations=[ChatGeneration(message=AIMessage("nobody asked for tokens"))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del messages, stop, run_manager
        for i in range(kwargs["count"]):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"token {i} "))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del messages, stop, run_manager
        begin, rate = kwargs["begin"], kwargs["rate"]
        for i in range(kwargs["count"]):
            ahead = begin + i / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            yield ChatGenerationChunk(message=AIMessageChunk(content=repr(time.monotonic())))


TALKER = Talker()


def tokens(lib: Library) -> Any:
    """W6: one node whose model says `n` tokens."""

    def talk(state: Count) -> Count:
        TALKER.invoke("go", count=state["n"])
        return {"n": 0}

    builder = lib.StateGraph(Count)
    builder.add_node("talk", talk)
    builder.add_edge(lib.START, "talk")
    return builder


def paced_tokens(lib: Library) -> Any:
    """W6: one node whose model says `count` tokens, `rate` a second. The tokens are the times at which they were said.

    The clock is `time.monotonic()`, which all processes of one machine share.
    """

    async def talk(state: Pace) -> dict[str, int]:
        await TALKER.ainvoke("go", count=state["count"], begin=state["begin"], rate=state["rate"])
        return {"count": 0}

    builder = lib.StateGraph(Pace)
    builder.add_node("talk", talk)
    builder.add_edge(lib.START, "talk")
    return builder


def build(lib: Library, prefix: str = "") -> dict[str, Any]:
    """Both graphs, compiled."""
    both = {"tokens": tokens(lib), "paced_tokens": paced_tokens(lib)}
    return {prefix + name: builder.compile(name=prefix + name) for name, builder in both.items()}


#: drumline's graphs, and LangGraph's own, which drumline's adapter serves
GRAPHS = {**build(drumline()), **build(langgraph(), "langgraph_")}
