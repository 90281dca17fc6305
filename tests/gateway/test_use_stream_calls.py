"""What `useStream` sends, and what it needs to find in the answer."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.gateway.thread_reader import command, ends, events, is_root, until

from drumline_gateway.shapes import error_text

INPUT: Any = {"said": ["x"]}


@pytest.fixture
def thread(url: str) -> str:
    return str(httpx.post(f"{url}/threads", json={}).json()["thread_id"])


def streamed(answer: httpx.Response) -> list[tuple[str, Any]]:
    assert answer.status_code == 200, answer.text
    frames = [dict(line.split(": ", 1) for line in part.splitlines()) for part in answer.text.split("\n\n") if part]
    return [(frame["event"], json.loads(frame["data"])) for frame in frames if "event" in frame]


def kinds(frames: list[tuple[str, Any]]) -> set[str]:
    return {event.split(":")[0] for event, _ in frames}


def run(url: str, thread: str, graph: str, **body: Any) -> httpx.Response:
    asked = {"assistant_id": graph, "input": INPUT, **body}
    return httpx.post(f"{url}/threads/{thread}/runs/stream", json=asked, timeout=30)


def test_a_component_that_looks_at_nothing_asks_for_no_mode(url: str, thread: str) -> None:
    assert kinds(streamed(run(url, thread, "ask", stream_mode=[]))) == {"metadata", "values", "end"}


def test_who_joins_by_the_run_alone_sees_what_its_starter_wanted(url: str, thread: str) -> None:
    began = run(url, thread, "nested", stream_mode=["tasks"], stream_subgraphs=True)
    assert kinds(streamed(began)) == {"metadata", "tasks", "tasks|inner", "end"}
    where = url + began.headers["content-location"]
    again = httpx.get(f"{where}/stream", headers={"Last-Event-ID": "-1"})
    assert streamed(again) == streamed(began)
    assert kinds(streamed(httpx.get(f"{where}/stream?stream_mode=values"))) == {
        "metadata",
        "values",
        "values|inner",
        "end",
    }
    assert kinds(streamed(httpx.get(f"{where}/stream?stream_mode=values&subgraphs=0"))) == {"metadata", "values", "end"}


def test_what_is_noted_of_that_is_nobodys_to_read_or_write(url: str, thread: str) -> None:
    modes = ["messages-tuple", "messages", "checkpoints", "debug", "values"]
    given = {"messages": [{"role": "user", "content": "hi"}]}
    forged = {"drumline_shown": {"modes": ["values"], "subgraphs": False}, "mine": 1}
    began = run(url, thread, "chat", input=given, stream_mode=modes, stream_subgraphs=True, metadata=forged)
    told = [
        began.text,
        *(httpx.get(f"{url}/threads/{thread}{path}").text for path in ("", "/runs", "/state", "/history")),
    ]
    assert [("drumline_shown" in text, '"mine":1' in text) for text in told] == [(False, True)] * 5
    again = httpx.get(f"{url}{began.headers['content-location']}/stream")
    assert kinds(streamed(again)) == kinds(streamed(began)) and "checkpoints" in kinds(streamed(again))


def test_an_input_beside_a_command_is_none(url: str, thread: str) -> None:
    """CopilotKit's agent sends its messages with every command."""
    run(url, thread, "ask")
    answered = run(url, thread, "ask", command={"resume": "yes"})
    assert streamed(answered)[-2][1] == {"said": ["x", "heard 1", "yes"]}
    assert answered.headers["drumline-ignored"] == "input"


def test_a_run_that_is_cancelled_is_interrupted_to_a_reader_of_its_thread(url: str, thread: str) -> None:
    """What useStream's `stop` does is no failure that it would show."""
    began = command(url, thread, "run.start", assistant_id="sleep", input=INPUT)
    reader = events(url, thread)
    until(reader, is_root)
    cancelled = httpx.post(f"{url}/threads/{thread}/runs/{began['result']['run_id']}/cancel?wait=1")
    assert cancelled.status_code == 204
    assert until(reader, ends)[-1]["params"]["data"] == {"event": "interrupted", "graph_name": "sleep"}
    reader.close()  # type: ignore[attr-defined]


def test_an_error_of_a_thread_is_read_as_json(url: str, thread: str) -> None:
    assert streamed(run(url, thread, "fail"))[-1][0] == "error"
    raised = {"error": "ValueError", "message": "this graph always fails"}
    state = httpx.get(f"{url}/threads/{thread}/state").json()
    assert json.loads(state["tasks"][-1]["error"]) == raised
    assert json.loads(httpx.get(f"{url}/threads/{thread}").json()["error"]) == raised


@pytest.mark.parametrize(
    "error",
    [ValueError("it's\n so"), ValueError(), ValueError("a", 1), KeyError("k"), ValueError(("a", "b")), ValueError(1)],
)
def test_an_error_that_is_kept_as_text_says_what_it_said(error: Exception) -> None:
    told = {"error": type(error).__name__, "message": str(error)}
    assert json.loads(error_text(repr(error))) == told == json.loads(error_text(error))


def test_a_text_that_is_no_error_is_a_message() -> None:
    assert json.loads(error_text("Odd(<x at 0x1>)")) == {"error": "Odd", "message": "<x at 0x1>"}
    assert json.loads(error_text("odd")) == {"error": "Error", "message": "odd"}
