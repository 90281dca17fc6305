"""What HTTP itself is asked: headers, statuses, and clients that mean harm."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from drumline_gateway import bodies
from drumline_gateway.app import build
from drumline_gateway.route import NO
from drumline_gateway.routes import ROUTES

INPUT = {"said": ["x"]}


@pytest.fixture
def http(url: str) -> Any:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http


@pytest.fixture
def thread(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


def test_a_stream_says_where_its_run_is(http: httpx.Client, thread: str) -> None:
    body = {"assistant_id": "speak", "input": INPUT, "stream_mode": ["updates", "values"], "stream_subgraphs": True}
    with http.stream("POST", f"/threads/{thread}/runs/stream", json=body) as answer:
        headers, text = answer.headers, answer.read().decode()
    run = re.fullmatch(rf"/threads/{thread}/runs/([^/]+)", headers["Content-Location"])
    assert run is not None
    assert headers["Location"].startswith(headers["Content-Location"] + "/stream?")
    assert headers["Content-Type"].startswith("text/event-stream")
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    frames = text.strip().split("\n\n")
    assert "event: metadata" in frames[0] and run[1] in frames[0] and "event: end" in frames[-1]
    again = http.get(headers["Location"])  # as a client does that comes back: without any words of its own
    assert again.text.strip().split("\n\n") == frames
    alone = http.post("/runs/stream", json={"assistant_id": "speak", "input": INPUT})
    assert re.fullmatch(r"/runs/[^/]+", alone.headers["Content-Location"])
    assert http.get(alone.headers["Location"]).text == alone.text


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 422, "assistant_id"),
        ({"assistant_id": 5}, 422, "assistant_id"),
        ({"assistant_id": "nobody"}, 404, "nobody"),
        ({"assistant_id": "speak", "input": INPUT, "stream_mode": "nothing"}, 422, "nothing"),
        ({"assistant_id": "speak", "input": INPUT, "stream_mode": [5]}, 422, "stream_mode"),
        ({"assistant_id": "speak", "input": INPUT, "config": []}, 422, "config"),
        ({"assistant_id": "speak", "input": INPUT, "config": {"configurable": 1}}, 422, "configurable"),
        ({"assistant_id": "speak", "input": INPUT, "config": {"recursion_limit": "x"}}, 422, "recursion_limit"),
        ({"assistant_id": "speak", "input": INPUT, "multitask_strategy": "maybe"}, 422, "multitask_strategy"),
        ({"assistant_id": "speak", "input": INPUT, "durability": "maybe"}, 422, "durability"),
        ({"assistant_id": "speak", "input": INPUT, "interrupt_before": 5}, 422, "interrupt_before"),
        ({"assistant_id": "speak", "input": INPUT, "interrupt_before": ["nobody"]}, 422, "nobody"),
        ({"assistant_id": "speak", "command": {}}, 422, "command"),
        ({"assistant_id": "speak", "command": {"goto": 5}}, 422, "goto"),
        ({"assistant_id": "speak", "input": INPUT, "config": {"configurable": {"__pregel_x": 1}}}, 422, "__pregel_x"),
        ({"assistant_id": "speak", "input": INPUT, "checkpoint": {"checkpoint_id": 5}}, 422, "checkpoint_id"),
        ({"assistant_id": "speak", "input": INPUT, "metadata": "x"}, 422, "metadata"),
        ({"assistant_id": "speak", "input": INPUT, "context": [1]}, 422, "context"),
    ],
)
@pytest.mark.parametrize("tail", ["", "/stream", "/wait"])
def test_a_body_that_is_wrong_is_told_where(
    http: httpx.Client, thread: str, body: Any, status: int, word: str, tail: str
) -> None:
    answer = http.post(f"/threads/{thread}/runs{tail}", json=body)
    assert (answer.status_code, word in answer.json()["detail"]) == (status, True), answer.text
    assert http.get(f"/threads/{thread}/runs").json() == []


@pytest.mark.parametrize(
    "data", [b"{", b"[" * 100_000, b'{"a": ' * 300 + b"1" + b"}" * 300, b"\xff\xfe", b'"text"', b"[1]"]
)
def test_what_is_no_json_object_is_refused(http: httpx.Client, data: bytes) -> None:
    for path in ("/runs/wait", "/threads", "/threads/search", "/assistants/search", "/store/items/search"):
        answer = http.post(path, content=data)
        assert answer.status_code == 422 and answer.json()["detail"], path


def test_a_body_is_bounded_before_it_is_taken_in(url: str) -> None:
    """A server that took it in would wait for all of it: this client sends a part and reads."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as sock:
        head = f"POST /runs/wait HTTP/1.1\r\nHost: x\r\nContent-Length: {200 * 2**20}\r\n\r\n"
        sock.sendall(head.encode() + b'{"input": "')
        assert b" 413 " in sock.recv(4096).split(b"\r\n")[0]
    with socket.create_connection((where.hostname, where.port), timeout=20) as sock:
        sock.sendall(b"POST /runs/wait HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        told = b""
        try:
            for _ in range(200):
                sock.sendall(chunk)
        except OSError:
            pass
        try:
            told = sock.recv(4096)
        except OSError:
            told = b" 413 "  # it hung up while we were sending
        assert b" 413 " in told


def test_headers_are_bounded(http: httpx.Client) -> None:
    with contextlib.suppress(httpx.TransportError):  # it may hang up while we are sending
        assert http.get("/ok", headers={"x-long": "x" * 200_000}).status_code in (400, 431)
    assert http.get("/ok").status_code == 200


def test_paths_and_methods_that_are_not_there(http: httpx.Client, thread: str) -> None:
    assert http.get("/nothing").json() == {"detail": "Not Found"}
    assert http.get("/runs/stream/x").status_code == 404
    wrong = http.put("/threads", json={})
    assert wrong.status_code == 405 and wrong.json()["detail"]
    for path in (
        "/threads/%00",
        "/threads/" + "x" * 300,
        f"/threads/{thread}/runs/%0a",
        f"/threads/{thread}/runs/" + "y" * 400,
    ):
        answer = http.get(path)
        assert answer.status_code == 422 and "id" in answer.json()["detail"], path
    assert http.get("/threads/a%2Fb").status_code == 404
    assert http.get(f"/threads/{thread}/runs/nobody").status_code == 404
    assert http.get(f"/threads/{thread}/runs/nobody/stream").status_code == 404
    assert http.post(f"/threads/{thread}/runs/nobody/cancel").status_code == 404
    assert http.get("/runs/nobody/join").status_code == 404


def test_keys_that_javascript_minds_are_data(http: httpx.Client) -> None:
    data = {"said": [{"__proto__": {"polluted": True}, "constructor": 1}]}
    answer = http.post("/runs/wait", content=json.dumps({"assistant_id": "speak", "input": data}))
    assert answer.json()["said"][0] == data["said"][0]


def test_a_run_of_another_thread_is_not_found(http: httpx.Client, thread: str) -> None:
    other = http.post("/threads", json={}).json()["thread_id"]
    run = http.post(f"/threads/{thread}/runs", json={"assistant_id": "speak", "input": INPUT}).json()["run_id"]
    http.get(f"/threads/{thread}/runs/{run}/join")
    for path in (
        f"/threads/{other}/runs/{run}",
        f"/threads/{other}/runs/{run}/join",
        f"/threads/{other}/runs/{run}/stream",
    ):
        assert http.get(path).status_code == 404


def test_cancelling_again_and_again_changes_nothing(http: httpx.Client, thread: str, gate: threading.Event) -> None:
    body = {"assistant_id": "wait", "input": {**INPUT, "topic": "wait"}}
    run = http.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
    answers = [http.post(f"/threads/{thread}/runs/{run}/cancel").status_code for _ in range(50)]
    gate.set()
    assert set(answers) == {202}
    assert http.post(f"/threads/{thread}/runs/{run}/cancel?wait=1").status_code == 204
    assert http.get(f"/threads/{thread}/runs/{run}").json()["status"] == "interrupted"
    assert http.post(f"/threads/{thread}/runs/{run}/cancel?action=explode").status_code == 422
    assert http.post(f"/threads/{thread}/runs/{run}/cancel?wait=perhaps").status_code == 422


@pytest.mark.parametrize("cancels", [False, True])
def test_a_run_whose_client_goes_away(http: httpx.Client, thread: str, gate: threading.Event, cancels: bool) -> None:
    body = {"assistant_id": "wait", "input": {**INPUT, "topic": "wait"}, "on_disconnect": "cancel" if cancels else None}
    with http.stream("POST", f"/threads/{thread}/runs/stream", json=body) as answer:
        run = answer.headers["Content-Location"].rpartition("/")[2]
        next(answer.iter_lines())
    place = f"/threads/{thread}/runs/{run}"
    if cancels:
        _await(lambda: http.get(place).json()["status"] == "interrupted")
        gate.set()
    else:
        gate.set()
        assert http.get(f"{place}/join").json()["said"] == ["x", "waited"]
        assert http.get(place).json()["status"] == "success"


def _await(reached: Any) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)  # the server tells nobody: we can but ask


def test_the_openapi_document_has_every_route_that_is_built(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(row.method, row.path) for row in ROUTES if row.built != NO}
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids)) and all(each["summary"] for m in document["paths"].values() for each in m.values())


class _Broken:
    """A service that fails in an unforeseen way."""

    graphs: ClassVar[dict[str, Any]] = {}
    ignored: frozenset[str] = frozenset()

    def __getattr__(self, name: str) -> Any:
        async def fail(*_args: Any, **_given: Any) -> Any:
            if name in ("open", "aclose"):
                return None
            raise ZeroDivisionError("a secret of ours")

        return fail


def test_a_fault_of_ours_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    service: Any = _Broken()
    with TestClient(build(service), raise_server_exceptions=False) as client:
        answer = client.get("/threads/t")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "a secret of ours" in caplog.text


def test_ids_of_numbers_are_bounded() -> None:
    with pytest.raises(Exception, match="number"):
        bodies.query_count({"limit": "9" * 5000}, "limit", 1)
    with pytest.raises(Exception, match="number"):
        bodies.query_count({"limit": "-1"}, "limit", 1)
    assert bodies.query_count({"limit": "99999"}, "limit", 1) == bodies.ROWS_MAX


@pytest.mark.parametrize("given", [".", "..", "a/b", "x" * 201, "a\nb", "\ud800"])
def test_ids_that_no_path_can_name_are_refused(http: httpx.Client, given: str) -> None:
    """Clients take `..` out of a path before they send it: what was meant for a thread would be asked of all."""
    body = json.dumps({"thread_id": given}).encode()
    answer = http.post("/threads", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "id of " in answer.json()["detail"]


def test_dots_that_come_in_a_path_name_no_thread(url: str) -> None:
    """From who sends paths as they are."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as raw:
        raw.sendall(b"GET /threads/.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        found = b"".join(iter(lambda: raw.recv(65536), b""))
    assert found.startswith(b"HTTP/1.1 422 ") and b"is not . or .." in found
