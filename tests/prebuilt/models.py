"""Chat models that answer from a script, for tests of agents: the same answers in every process and on every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool


class Scripted(BaseChatModel):
    """Gives `turns[n]` where n is the number of AIMessages that it is shown; the last turn, when they are used up.

    A turn is a text, or tool calls as (name, args) pairs. Asked for structured output it calls the schema with
    `structured`. With `echo` its texts also tell what it was shown. It streams its text word by word, unless
    `disable_streaming`.
    """

    turns: list[Any]
    structured: dict[str, Any] = {}  # noqa: RUF012  pydantic copies it
    echo: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        shown = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=shown, tool_choice=tool_choice, **kwargs)

    def _turn(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        if kwargs.get("tool_choice") == "any":
            name = kwargs["tools"][0]["function"]["name"]
            return AIMessage("", tool_calls=[call("structured", name, self.structured)])
        number = sum(isinstance(message, AIMessage) for message in messages)
        turn = self.turns[min(number, len(self.turns) - 1)]
        if not isinstance(turn, str):
            calls = [call(f"call-{number}-{index}", name, args) for index, (name, args) in enumerate(turn)]
            return AIMessage("", tool_calls=calls)
        if self.echo:
            told = " | ".join(f"{message.type}: {message.text}" for message in messages)
            names = sorted(tool.get("function", tool).get("name", tool["type"]) for tool in kwargs.get("tools", ()))
            turn = f"{turn} [{told}] {names}"
        return AIMessage(turn)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._turn(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._turn(messages, kwargs)
        words = [f"{word} " for word in message.text.split(" ")] if message.text else [""]
        for word in words:
            chunk = ChatGenerationChunk(message=AIMessageChunk(word))  # type: ignore[call-arg]
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        if message.tool_calls:
            yield ChatGenerationChunk(
                message=AIMessageChunk(  # type: ignore[call-arg]
                    "",
                    tool_call_chunks=[
                        {"name": tool["name"], "args": _json(tool["args"]), "id": tool["id"], "index": index}
                        for index, tool in enumerate(message.tool_calls)
                    ],
                )
            )


def call(id: str, name: str, args: dict[str, Any]) -> Any:
    """A tool call as models give it."""
    return {"id": id, "name": name, "args": args, "type": "tool_call"}


def _json(args: dict[str, Any]) -> str:
    import json

    return json.dumps(args)
