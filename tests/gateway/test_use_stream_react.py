"""The newer `useStream` of `@langchain/react`, over commands and events of a thread, in jsdom: `make test-node`."""

from __future__ import annotations

from tests.gateway.chat_pages import AMID, HI, WHOLE, asks, gate, page, said, url
from tests.gateway.chats import Gate
from tests.gateway.page_driver import Page

__all__ = ["gate", "page", "url"]

LISTEN = ("onThreadId", "onCreated", "onCompleted")


def test_tokens_are_shown_as_they_come(page: Page, gate: Gate) -> None:
    page.open("react", assistantId="chat", listen=LISTEN)
    gate.close()
    page.submit(HI)
    amid = page.until(f"s.messages.length === 2 && s.messages[1].content === '{AMID}'")
    assert amid["isLoading"] and said(amid) == ["hi", AMID]
    gate.open()
    done = page.settled(f"s.messages.at(-1)?.content === '{WHOLE}'")
    assert said(done) == ["hi", WHOLE] and done["error"] is None
    assert all(WHOLE.startswith(text) for text in page.texts() if text != "hi"), page.texts()


def test_a_graph_within_is_found_and_its_messages_are_shown_as_they_come(page: Page, gate: Gate) -> None:
    page.open("react", assistantId="nest", listen=LISTEN)
    gate.close()
    page.submit(HI)
    amid = page.until("s.deep?.at(-1)?.content === 'deep down'")
    assert amid["subgraphs"] == [{"nodeName": "inner", "status": "running", "depth": 1}]
    gate.open()
    # what is told of the graph within comes beside the rest, and may be the last to come
    done = page.settled("s.messages.at(-1)?.content === 'above' && s.deep?.at(-1)?.content === 'deep down amid hi'")
    assert said(done) == ["hi", "deep down amid hi", "above"] and done["error"] is None
    assert done["subgraphs"] == [{"nodeName": "inner", "status": "complete", "depth": 1}]
    page.reload()
    again = page.settled("s.messages.at(-1)?.content === 'above' && s.subgraphs?.length")
    assert again["subgraphs"] == done["subgraphs"]


def test_a_question_is_asked_and_answered(page: Page) -> None:
    page.open("react", assistantId="agent", listen=LISTEN)
    page.submit(HI)
    asked = page.settled("s.interrupt")
    assert asked["interrupt"]["value"]["action_requests"][0]["args"] == {"for": "hi"}
    page.call("(s, answer) => s.respond(answer)", {"decisions": [{"type": "approve"}]})
    done = page.settled("!s.interrupt && s.messages.length === 4")
    assert said(done) == ["hi", "", "found it", "I found it"] and done["error"] is None


def test_a_run_is_stopped_and_another_one_follows(page: Page, gate: Gate) -> None:
    page.open("react", assistantId="chat", listen=LISTEN)
    gate.close()
    page.submit(HI)
    page.until(f"s.messages.at(-1)?.content === '{AMID}'")
    page.call("(s) => s.stop()")
    assert page.settled()["error"] is None
    gate.open()
    page.submit(asks("again", "m2"))
    done = page.settled("s.messages.some((m) => m.content === 'you said again amid the talk')")
    assert done["error"] is None and said(done)[:2] == ["hi", "again"]  # what it saw of the stopped answer, it keeps


def test_an_error_is_shown(page: Page) -> None:
    page.open("react", assistantId="fail", listen=LISTEN)
    page.submit(HI)
    failed = page.settled("s.error")
    assert "the model is out of order" in str(failed["error"])


def test_a_page_is_loaded_anew_amid_a_stream(page: Page, gate: Gate) -> None:
    page.open("react", assistantId="chat", listen=LISTEN)
    gate.close()
    page.submit(HI)
    page.until(f"s.messages.at(-1)?.content === '{AMID}'")
    page.reload()
    page.until(f"s.messages.at(-1)?.content === '{AMID}'")
    gate.open()
    done = page.settled(f"s.messages.at(-1)?.content === '{WHOLE}'")
    assert said(done) == ["hi", WHOLE] and done["error"] is None
