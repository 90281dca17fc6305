"""Clients that are built on LangGraph's JavaScript SDK: assistant-ui, CopilotKit's agent. `make test-node`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.chats import Gate, chats, gateway_over
from tests.gateway.page_driver import Page, node_and_modules, page_at

SAY = "(s, text) => s.aui.thread.append({ role: 'user', content: [{ type: 'text', text }] })"
WHOLE = "you said hi amid the talk"


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module", params=["cluster", "embedded"])
def url(request: pytest.FixtureRequest, gate: Gate) -> Iterator[str]:
    node_and_modules()
    with gateway_over(request.param, chats(gate)) as url:
        yield url


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:
    with page_at(url) as page:
        yield page


def said(shown: dict[str, Any]) -> list[str]:
    return [message["content"] for message in shown["messages"]]


@pytest.mark.parametrize("modes", [{}, {"streamMode": ["messages-tuple", "values", "custom"]}])
def test_assistant_ui_shows_tokens(page: Page, gate: Gate, modes: dict[str, Any]) -> None:
    page.open("assistant", assistantId="chat", **modes)
    page.until("s.aui")
    gate.close()
    page.call(SAY, "hi")
    amid = page.until("s.messages.at(-1)?.content === 'you said hi'")
    assert amid["isLoading"]
    gate.open()
    assert said(page.settled(f"s.messages.at(-1)?.content === '{WHOLE}'")) == ["hi", WHOLE]
