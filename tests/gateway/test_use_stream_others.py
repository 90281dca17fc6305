"""Clients that are built on LangGraph's JavaScript SDK: assistant-ui, CopilotKit's agent. `make test-node`."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from tests.gateway.chat_pages import AMID, WHOLE, gate, page, said, url
from tests.gateway.chats import Gate
from tests.gateway.page_driver import NODE, Page, node_and_modules

__all__ = ["gate", "page", "url"]

SAY = "(s, text) => s.aui.thread.append({ role: 'user', content: [{ type: 'text', text }] })"


@pytest.mark.parametrize("modes", [{}, {"streamMode": ["messages-tuple", "values", "custom"]}])
def test_assistant_ui_shows_tokens(page: Page, gate: Gate, modes: dict[str, Any]) -> None:
    page.open("assistant", assistantId="chat", **modes)
    page.until("s.aui")
    gate.close()
    page.call(SAY, "hi")
    amid = page.until(f"s.messages.at(-1)?.content === '{AMID}'")
    assert amid["isLoading"]
    gate.open()
    assert said(page.settled(f"s.messages.at(-1)?.content === '{WHOLE}'")) == ["hi", WHOLE]


def test_assistant_ui_asks_and_gets_its_answer(page: Page) -> None:
    page.open("assistant", assistantId="agent")
    page.until("s.aui")
    page.call(SAY, "the sea")
    asked = page.settled("s.interrupt")
    assert asked["interrupt"]["value"]["action_requests"] == [{"name": "search", "args": {"for": "the sea"}}]
    page.call("(s, command) => s.command(command)", {"resume": {"decisions": [{"type": "approve"}]}})
    done = page.settled("s.messages.at(-1)?.content === 'I found it'")
    assert done["interrupt"] is None
    tools = [tool for message in done["messages"] for tool in message["tools"]]
    assert tools == [{"toolName": "search", "args": {"for": "the sea"}, "result": "found it"}]


def test_assistant_ui_stops(page: Page, gate: Gate) -> None:
    page.open("assistant", assistantId="chat")
    page.until("s.aui")
    gate.close()
    page.call(SAY, "hi")
    page.until(f"s.messages.at(-1)?.content === '{AMID}'")
    page.call("(s) => s.aui.thread.cancelRun()")
    page.settled()
    gate.open()
    page.call(SAY, "again")
    assert said(page.settled("s.messages.at(-1)?.content === 'you said again amid the talk'"))[-2] == "again"


@pytest.fixture
def agent(url: str) -> Any:
    """What CopilotKit's agent makes of the gateway at `url`."""
    program, modules = node_and_modules()
    command = [program, str(NODE / "langgraph_agent.mjs"), modules, url]
    told = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_the_agent_of_copilotkit_talks_asks_and_keeps_state(agent: Any) -> None:
    texts = {
        name: [message["content"] for message in agent[name]["messages"]] for name in ("first", "second", "answered")
    }
    assert texts["first"] == ["hi", WHOLE]
    assert texts["second"] == ["hi", WHOLE, "again", "you said again amid the talk"]
    assert "".join(agent["deltas"]) == WHOLE + "you said again amid the talk"
    assert agent["question"]["name"] == "on_interrupt"
    [asked] = agent["asked"]["messages"][1]["calls"]
    assert (asked["name"], json.loads(asked["arguments"])) == ("search", {"for": "the sea"})
    assert texts["answered"] == ["the sea", "", "found it", "I found it"]
    assert agent["answered"]["state"]["files"] == {"notes": "found it"}
    failures = {name: agent[name]["failure"] for name in ("first", "second", "asked", "answered", "failed")}
    assert failures == dict.fromkeys(failures) | {"failed": "the model is out of order"}
