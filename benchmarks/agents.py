"""W5 with LangChain: a chat of its messages, and a prebuilt agent that calls a tool again and again.

Imports LangChain, so no other workload's process loads it: `GRAPHS` is served by a cluster of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from typing_extensions import TypedDict

from benchmarks.graphs import TURN_CHARS, Library, drumline, langgraph


class Caller(BaseChatModel):
    """Calls the tool `look_up` as often as the first message says, a number, and then answers."""

    @property
    def _llm_type(self) -> str:
        return "caller"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        del tools, kwargs
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        turn = sum(isinstance(message, AIMessage) for message in messages)
        answer = AIMessage("done")
        if turn < int(messages[0].text):
            call = {"id": f"call-{turn}", "name": "look_up", "args": {"page": turn}, "type": "tool_call"}
            answer = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=answer)])


@tool
def look_up(page: int) -> str:
    """What stands on a page."""
    return f"{page:06d}".ljust(TURN_CHARS, ".")


def message_chat(lib: Library, add_messages: Any) -> Any:
    """A node that appends a message of 1 KB, of the person and of the model by turns, until `turns` are over."""

    # Called, since `add_messages` is a name of this function only, which a string of a class body could not name.
    Messages: Any = TypedDict("Messages", {"messages": Annotated[list[Any], add_messages], "turns": int})

    def say(state: dict[str, Any]) -> Any:
        turns = state["turns"] - 1
        kind = HumanMessage if turns % 2 else AIMessage
        return {"messages": [kind(f"{turns:06d}".ljust(TURN_CHARS, "."))], "turns": turns}

    def again(state: dict[str, Any]) -> str:
        return "say" if state["turns"] > 0 else str(lib.END)

    builder = lib.StateGraph(Messages)
    builder.add_node("say", say)
    builder.add_edge(lib.START, "say")
    builder.add_conditional_edges("say", again, ["say", lib.END])
    return builder


def drumline_message_chat() -> Any:
    """The builder of the chat for drumline."""
    from drumline.graph.message import add_messages

    return message_chat(drumline(), add_messages)


def langgraph_message_chat() -> Any:
    """The builder of the chat for LangGraph."""
    from langgraph.graph.message import add_messages

    return message_chat(langgraph(), add_messages)


def drumline_agent() -> Any:
    """The agent of `drumline.prebuilt`."""
    from drumline.prebuilt import create_react_agent

    return create_react_agent(Caller(), [look_up], name="agent")


def langgraph_agent(checkpointer: Any = None) -> Any:
    """The agent of `langgraph.prebuilt`."""
    from langgraph.prebuilt import create_react_agent

    return create_react_agent(Caller(), [look_up], name="agent", checkpointer=checkpointer)


GRAPHS = {"messages": drumline_message_chat().compile(name="messages"), "agent": drumline_agent()}
