"""Chat models for tests: what they say depends on what they are asked, and on nothing else."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult


class ModelBroke(RuntimeError):
    """What a model raises in the middle of its answer."""


class ToolCaller(BaseChatModel):
    """The base of models that call tools: `_answer` gives the next message."""

    @property
    def _llm_type(self) -> str:
        return "tool caller"

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        raise NotImplementedError

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        del stop, run_manager, kwargs
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """It knows its tools."""
        del tools, kwargs
        return self


class Parrot(BaseChatModel):
    """Says "on <the last message>" word by word, a space before each but the first; streams, sync and async.

    `breaks_at` raises ModelBroke in place of that word. `own_ids` gives the answer an id that depends on the question.
    `pause` is called before each word: a test may wait there.
    """

    prefix: str = "on"
    breaks_at: int = -1
    own_ids: bool = False
    pause: Callable[[str], None] | None = None

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_model_name": "parrot-1", "ls_temperature": 0.5}

    def _words(self, messages: list[BaseMessage]) -> list[str]:
        words = f"{self.prefix} {messages[-1].content}".split()
        return [word if index == 0 else f" {word}" for index, word in enumerate(words)]

    def _id(self, messages: list[BaseMessage]) -> str | None:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, "".join(self._words(messages)))) if self.own_ids else None

    def _chunks(self, messages: list[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        id_ = self._id(messages)
        words = self._words(messages)
        for index, word in enumerate(words):
            if self.pause is not None:
                self.pause(word)
            if index == self.breaks_at:
                raise ModelBroke(f"at word {index}")
            yield ChatGenerationChunk(message=AIMessageChunk(content=word, id=id_))
        usage: Any = {"input_tokens": 1, "output_tokens": len(words), "total_tokens": len(words) + 1}
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="", id=id_, usage_metadata=usage, response_metadata={"finish_reason": "stop"}
            )
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        if self.breaks_at >= 0:
            raise ModelBroke(f"at word {self.breaks_at}")
        text = "".join(self._words(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, id=self._id(messages)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del stop, kwargs
        for chunk in self._chunks(messages):
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del stop, kwargs
        for chunk in self._chunks(messages):
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk


class Whole(BaseChatModel):
    """A model that cannot stream: its answer comes at once."""

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        return ChatResult(generations=[ChatGeneration(message=AIMessage(f"whole {messages[-1].content}"))])
