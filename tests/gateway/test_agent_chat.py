"""Agent Chat UI and deep-agents-ui: their calls, by the hook that they are made of. `make test-node`."""

from __future__ import annotations

from typing import Any

import httpx
from tests.gateway.chat_pages import asks, gate, page, said, url
from tests.gateway.page_driver import Page

__all__ = ["gate", "page", "url"]

ASK = asks("the sea", "m1")
#: how Agent Chat UI submits
CHAT: dict[str, Any] = {"streamMode": ["values", "messages-tuple"], "streamSubgraphs": True, "streamResumable": True}
APPROVE = {"resume": {"decisions": [{"type": "approve"}]}}
TALK = ["the sea", "", "found it", "I found it"]


def searched(url: str, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.post(f"{url}/threads/search", json=asked).json()
    return found


def test_agent_chat_ui_asks_approves_and_regenerates(page: Page, url: str) -> None:
    assert httpx.get(f"{url}/info").is_success
    page.open(assistantId="agent", listen=("onThreadId", "onError"), fetchStateHistory=True)
    page.submit(ASK, **CHAT)
    asked = page.settled("s.interrupt")
    assert [each["args"] for each in asked["interrupt"]["value"]["action_requests"]] == [{"for": "the sea"}]
    [row] = searched(url, metadata={"graph_id": "agent"}, limit=100, status="interrupted")
    assert row["thread_id"] == page.thread and row["values"]["messages"][0]["content"] == "the sea"
    page.submit({}, command=APPROVE, **CHAT)  # the empty input is not one
    assert said(page.settled("s.messages.length === 4 && !s.interrupt")) == TALK
    page.call(
        """(s, options) => {
          const { firstSeenState } = s.getMessagesMetadata(s.messages.at(-1));
          return s.submit(undefined, { ...options, checkpoint: firstSeenState.parent_checkpoint });
        }""",
        CHAT,
    )
    again = page.settled("s.getMessagesMetadata(s.messages.at(-1))?.branchOptions?.length === 2")
    assert said(again) == TALK and again["error"] is None
    assert [row["status"] for row in searched(url, ids=[page.thread])] == ["idle"]
    assert not [told for told in page.told() if told[0] == "onError"]


def test_agent_chat_ui_gives_up(page: Page, url: str) -> None:
    page.open(assistantId="agent", listen=("onThreadId",), fetchStateHistory=True)
    page.submit(ASK, **CHAT)
    page.settled("s.interrupt")
    page.submit({}, command={"goto": "__end__"}, **CHAT)
    done = page.settled("!s.interrupt && !s.history.at(-1)?.next.length")
    assert said(done) == ["the sea", ""] and done["error"] is None
    assert [row["status"] for row in searched(url, ids=[page.thread])] == ["idle"]


def test_deep_agents_ui_finds_its_assistant_steps_and_keeps_files(page: Page, url: str) -> None:
    headers = {"x-auth-scheme": "langsmith", "x-api-key": "unused"}
    found = httpx.post(f"{url}/assistants/search", json={"graph_id": "agent", "limit": 100}, headers=headers).json()
    [assistant] = [each["assistant_id"] for each in found if each["metadata"].get("created_by") == "system"]
    page.open(
        assistantId=assistant,
        listen=("onThreadId", "onError"),
        reconnectOnMount=True,
        fetchStateHistory=True,
        defaultHeaders=headers,
    )
    page.submit(ASK, config={"recursion_limit": 100}, interruptBefore=["tools"])
    stopped = page.settled("s.interrupt?.when === 'breakpoint'")
    assert said(stopped) == ["the sea", ""]
    page.submit(None, config={"recursion_limit": 100}, interruptAfter=["tools"])
    page.settled("s.interrupt?.value")
    page.submit(None, command=APPROVE, interruptAfter=["tools"])
    assert said(page.settled("s.interrupt?.when === 'breakpoint' && s.messages.length === 3")) == TALK[:3]
    page.submit(None)
    assert said(page.settled("!s.interrupt && s.messages.length === 4")) == TALK
    files = {"notes": "found it", "more": "written by hand"}
    page.call("(s, thread, files) => s.client.threads.updateState(thread, { values: { files } })", page.thread, files)
    page.reload()
    assert page.settled("s.values.files?.more")["values"]["files"] == files
    rows = searched(
        url, limit=20, sort_by="updated_at", sort_order="desc", status="idle", metadata={"assistant_id": assistant}
    )
    assert page.thread in [row["thread_id"] for row in rows]
    assert not [told for told in page.told() if told[0] == "onError"]


def test_deep_agents_ui_marks_as_resolved(page: Page) -> None:
    page.open(assistantId="agent", listen=("onThreadId", "onError"), fetchStateHistory=True)
    page.submit(ASK)
    page.settled("s.interrupt?.value")
    page.submit(None, command={"goto": "__end__", "update": None})
    assert page.settled("!s.interrupt && !s.history.at(-1)?.next.length")["error"] is None
