"""`useStream` of LangGraph's SDK for React, in jsdom: `make test-node`."""

from __future__ import annotations

import pytest
from tests.gateway.chat_pages import AMID, HI, WHOLE, asks, gate, page, said, url
from tests.gateway.chats import Gate
from tests.gateway.page_driver import Page

__all__ = ["gate", "page", "url"]


def test_tokens_are_shown_as_they_come(page: Page, gate: Gate) -> None:
    page.open(assistantId="chat", listen=("onCreated", "onUpdateEvent", "onThreadId", "onFinish"))
    gate.close()
    page.submit(HI)
    amid = page.until(f"s.messages.length === 2 && s.messages[1].content === '{AMID}'")
    assert amid["isLoading"] and said(amid) == ["hi", AMID]
    gate.open()
    done = page.settled("s.messages.length === 2")
    assert said(done) == ["hi", WHOLE] and done["error"] is None
    told = [name for name, *_ in page.told()]
    assert told == ["onThreadId", "onCreated", "onUpdateEvent", "onFinish"]


def test_a_graph_within_is_shown(page: Page, gate: Gate) -> None:
    page.open(assistantId="nest", listen=("onUpdateEvent",))
    gate.close()
    page.submit(HI, streamSubgraphs=True)
    amid = page.until("s.messages.length === 2 && s.messages[1].content === 'deep down'")
    assert amid["isLoading"]
    gate.open()
    done = page.settled("s.messages.length > 2")
    assert said(done) == ["hi", "deep down amid hi", "above"]
    told = [
        (list(update), [part.split(":")[0] for part in about.get("namespace") or ()])
        for _, update, about in page.told()
    ]
    assert told == [(["deep"], ["inner"]), (["inner"], []), (["model"], [])]


def test_a_question_is_asked_and_answered(page: Page) -> None:
    page.open(assistantId="ask", listen=("onCustomEvent",))
    page.submit(HI)
    asked = page.settled("s.interrupt")
    assert asked["interrupt"]["value"] == {"question": "may I?"} and asked["error"] is None
    page.submit(None, command={"resume": "yes"})
    done = page.settled("!s.interrupt")
    assert said(done) == ["hi", "so yes"] and done["error"] is None
    assert [told[1] for told in page.told()] == [{"about": "to ask"}] * 2  # a node that asked begins anew


def test_a_question_is_there_after_a_reload(page: Page) -> None:
    page.open(assistantId="ask", listen=("onThreadId",))
    page.submit(HI)
    page.settled("s.interrupt")
    page.reload()
    asked = page.settled("s.interrupt")
    assert asked["interrupt"]["value"] == {"question": "may I?"} and said(asked) == ["hi"]
    page.submit(None, command={"resume": "yes"})
    assert said(page.settled("!s.interrupt")) == ["hi", "so yes"]


@pytest.mark.parametrize("reconnects", [False, True])
def test_a_run_is_stopped(page: Page, gate: Gate, *, reconnects: bool) -> None:
    page.open(assistantId="chat", listen=("onThreadId",), reconnectOnMount=reconnects)
    gate.close()
    page.submit(HI)
    page.until("s.messages.length === 2")
    page.call("(s) => s.stop()")
    stopped = page.settled()
    assert stopped["error"] is None
    gate.open()
    page.submit(asks("again", "m2"))
    done = page.settled("s.messages.at(-1)?.content.endsWith('talk')")
    assert said(done) == ["hi", "again", "you said again amid the talk"]


def test_an_error_is_shown_and_still_there_after_a_reload(page: Page) -> None:
    page.open(assistantId="fail", listen=("onThreadId", "onError"))
    page.submit(HI)
    failed = page.settled("s.error")
    assert failed["error"] == {"name": "ValueError", "message": "the model is out of order"}
    assert said(failed)[0] == "hi"
    page.reload()
    assert page.settled("s.error")["error"] == {"name": "ValueError", "message": "the model is out of order"}


REGENERATE = """(s) => {
  const { firstSeenState } = s.getMessagesMetadata(s.messages.at(-1));
  return s.submit(undefined, { checkpoint: firstSeenState.parent_checkpoint });
}"""
EDIT = """(s, content) => {
  const { firstSeenState } = s.getMessagesMetadata(s.messages[0]);
  const messages = [{ type: "human", content, id: "edited" }];
  return s.submit({ messages }, { checkpoint: firstSeenState.parent_checkpoint });
}"""
CONTINUE = """(s, content) => {
  const { checkpoint } = s.history.at(-1);
  return s.submit({ messages: [{ type: "human", content, id: "next" }] }, { checkpoint });
}"""


def test_an_answer_is_made_anew_and_a_question_is_edited(page: Page) -> None:
    page.open(assistantId="chat", listen=("onThreadId", "onError"), fetchStateHistory={"limit": 50})
    page.submit(HI)
    first = page.settled("s.messages.length === 2 && s.history.length >= 3")
    page.call(REGENERATE)
    again = page.settled(
        "s.history.length > 3 && s.getMessagesMetadata(s.messages.at(-1))?.branchOptions?.length === 2"
    )
    assert said(again) == said(first) and again["messages"][1]["id"] != first["messages"][1]["id"]
    page.call(EDIT, "bye")
    edited = page.settled(
        "s.messages[0].content === 'bye' && s.getMessagesMetadata(s.messages[0])?.branchOptions?.length === 2"
    )
    assert said(edited) == ["bye", "you said bye amid the talk"]
    page.call("(s) => s.setBranch(s.getMessagesMetadata(s.messages[0]).branchOptions[0])")
    assert said(page.settled("s.messages[0].content === 'hi'"))[0] == "hi"
    page.call(CONTINUE, "on")
    on = page.settled("s.messages.at(-1)?.content === 'you said on amid the talk'")
    assert said(on) == ["hi", WHOLE, "on", "you said on amid the talk"]


def test_a_page_is_loaded_anew_amid_a_stream(page: Page, gate: Gate) -> None:
    page.open(assistantId="nest", listen=("onThreadId", "onUpdateEvent"), reconnectOnMount=True)
    gate.close()
    page.submit(HI, streamSubgraphs=True)
    page.until("s.messages.length === 2 && s.messages[1].content === 'deep down'")
    page.reload()
    amid = page.until("s.messages.length === 2 && s.messages[1].content === 'deep down'")
    assert amid["isLoading"]
    gate.open()
    done = page.settled("s.messages.length > 2")
    assert said(done) == ["hi", "deep down amid hi", "above"] and done["error"] is None
