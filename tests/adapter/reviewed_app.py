"""An agent of LangChain's whose tool calls a person allows, for real processes: `--app tests.adapter.reviewed_app:NOW`.

`NEXT` is what the same code is after a change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from tests.differential.models import ToolCaller


class Forecaster(ToolCaller):
    """Asks for the weather of the place that it is told, then tells what the tool said."""

    says: str

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        id_, last = f"m{len(messages)}", messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage(f"{self.says}: {last.text}", id=id_)
        place, log = last.text.split(" ")
        asked = {"id": "c1", "name": "weather", "args": {"place": place, "log": log}}
        return AIMessage("", tool_calls=[asked], id=id_)


def reviewed(says: str, saver: Any = None) -> Any:
    """The agent of a version of the code, which shows by what it says. Each use of its tool is a line of a file."""

    @tool
    def weather(place: str, log: str) -> str:
        """Tell the weather of a place."""
        with Path(log).open("a") as file:
            file.write(f"{says}\n")
        return f"rain in {place}"

    review: Any = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    model = Forecaster(says=says, disable_streaming=True)
    return create_agent(model, [weather], middleware=[review], checkpointer=saver, name="reviewed")


NOW = {"reviewed": reviewed("now")}
NEXT = {"reviewed": reviewed("next")}
