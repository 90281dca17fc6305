"""One run over a WebSocket: the frames of its stream, from any of them on."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.gateway.stand import serving, talk
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from drumline_gateway.app import build
from drumline_gateway.auth import Guard
from drumline_gateway.caps import Caps
from drumline_gateway.embedded_service import EmbeddedService

INPUT = {"said": ["x"]}


def opened(url: str, path: str, headers: dict[str, str] | None = None) -> ClientConnection:
    address = f"{url.replace('http', 'ws', 1)}{path}"
    return connect(address, max_size=None, close_timeout=0.2, additional_headers=headers)


def told(url: str, path: str, headers: dict[str, str] | None = None) -> tuple[list[Any], int]:
    """All frames, and the code with which the connection is closed."""
    frames = []
    with opened(url, path, headers) as socket:
        try:
            while True:
                frames.append(json.loads(socket.recv(timeout=30)))
        except ConnectionClosed as closed:
            return frames, 0 if closed.rcvd is None else closed.rcvd.code


def streamed(url: str, path: str, last: str = "") -> list[Any]:
    frames, headers = [], {"Last-Event-ID": last} if last else {}
    for text in httpx.get(f"{url}{path}", headers=headers, timeout=30).text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
        if lines:
            frames.append({"id": lines.get("id"), "event": lines["event"], "data": json.loads(lines["data"])})
    return frames


def test_its_frames_are_those_of_the_stream_from_any_of_them_on(client: Any, thread: str, url: str) -> None:
    run = client.runs.create(thread, "nested", input=INPUT)["run_id"]
    client.runs.join(thread, run)
    free = client.runs.create(None, "speak", input=INPUT)["run_id"]
    for place in (f"/threads/{thread}/runs/{run}/stream", f"/runs/{free}/stream"):
        for query in ("", "?stream_mode=updates&stream_mode=values&subgraphs=true"):
            wanted = streamed(url, place + query)
            assert told(url, place + query) == (wanted, 1000)
            assert wanted[0]["event"] == "metadata" and wanted[-1]["event"] == "end"
            for id_ in [frame["id"] for frame in wanted if frame["id"]]:
                behind = f"{place}{query}{'&' if query else '?'}last_event_id={quote(id_)}"
                assert told(url, behind) == (streamed(url, place + query, id_), 1000)


def test_who_is_refused_is_told_why_whatever_was_asked_for(url: str) -> None:
    """The frame that closes a WebSocket takes 123 bytes, of which a character may take four."""
    path = f"/threads/{quote('ä' * 150)}/runs/01a21e10-d96e-84bd-96cd-885a9bd83f44/stream"
    with opened(url, path) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=30)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4404
    assert "ä" * 20 in closed.value.rcvd.reason


def test_it_is_told_as_it_goes_on_and_what_raised_is_told(client: Any, thread: str, url: str, gate: Any) -> None:
    run = client.runs.create(thread, "wait", input={"topic": "wait"})["run_id"]
    with opened(url, f"/threads/{thread}/runs/{run}/stream?stream_mode=values") as socket:
        assert json.loads(socket.recv(timeout=30))["event"] == "metadata"
        gate.set()
        frames = [json.loads(text) for text in socket]
    assert frames[-2]["data"]["said"] == ["waited"] and frames[-1]["event"] == "end"
    failed = client.runs.create(thread, "fail", input=INPUT)["run_id"]
    frames, code = told(url, f"/threads/{thread}/runs/{failed}/stream")
    assert (frames[-1]["event"], frames[-1]["data"]["error"], code) == ("error", "ValueError", 1000)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/threads/{thread}/runs/nobody/stream", 4404),
        ("/runs/{run}/stream", 4404),
        ("/threads/{thread}/runs/{run}/stream?last_event_id=rubbish", 4400),
        ("/threads/{thread}/runs/{run}/stream?stream_mode=nothing", 4422),
    ],
)
def test_a_refusal_is_told_by_its_code(client: Any, thread: str, url: str, path: str, code: int) -> None:
    run = client.runs.create(thread, "speak", input=INPUT)["run_id"]
    client.runs.join(thread, run)
    assert told(url, path.format(thread=thread, run=run)) == ([], code)


def test_who_leaves_ends_a_run_only_if_that_was_asked_for(client: Any, thread: str, url: str, gate: Any) -> None:
    run = client.runs.create(thread, "slow", input={"topic": "wait"})["run_id"]
    place = f"/threads/{thread}/runs/{run}/stream"
    for query in ("", "?cancel_on_disconnect=true"):
        with opened(url, place + query) as socket:
            socket.recv(timeout=30)
        if not query:
            assert client.runs.get(thread, run)["status"] in ("pending", "running")
    client.runs.join(thread, run)
    assert client.runs.get(thread, run)["status"] == "interrupted"
    gate.set()


def test_another_caller_and_one_stream_too_many_are_refused() -> None:
    guard = Guard({"a": "ann", "b": "bob"}, caps=Caps(streams_max=1))
    programs = {name: graph.program for name, graph in talk().items()}
    with serving(build(EmbeddedService(programs), guard=guard)) as url:
        ann, bob = {"x-api-key": "a"}, {"x-api-key": "b"}
        body = {"assistant_id": "sleep", "input": INPUT}
        run = httpx.post(f"{url}/runs", json=body, headers=ann).json()["run_id"]
        for headers, code in ((bob, 4404), ({}, 4401)):
            assert told(url, f"/runs/{run}/stream", headers) == ([], code)
        with opened(url, f"/runs/{run}/stream", ann) as socket:
            assert json.loads(socket.recv(timeout=30))["event"] == "metadata"
            assert told(url, f"/runs/{run}/stream", ann) == ([], 4429)


def test_a_gateway_that_is_stopped_closes_it_for_its_client_to_come_back() -> None:
    programs = {name: graph.program for name, graph in talk().items()}
    app = build(EmbeddedService(programs))
    loops: list[Any] = []
    enter = app.state.gateway.streams.entered
    entered = threading.Event()

    def noted(stream: Any) -> None:
        enter(stream)
        loops.append(asyncio.get_running_loop())
        entered.set()

    app.state.gateway.streams.entered = noted
    with serving(app) as url:
        run = httpx.post(f"{url}/runs", json={"assistant_id": "sleep", "input": INPUT}).json()["run_id"]
        with opened(url, f"/runs/{run}/stream") as socket:
            assert entered.wait(20)
            asyncio.run_coroutine_threadsafe(app.state.gateway.streams.drain(0), loops[0]).result(20)
            with pytest.raises(ConnectionClosed):
                list(socket)
            assert socket.close_code == 1012
