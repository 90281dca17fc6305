"""A cluster inside of this process, and a LangSmith that only remembers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.differential.harness import ASYNC_ORACLE
from tests.inside import Inside
from tests.servers import session_server
from tests.tracing.graphs import GRAPHS

from drumline import Cluster
from drumline_transport.local_server import LocalServer
from drumline_worker import handlers

__all__ = ["session_server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before Python 3.11 asyncio takes no context along: what async nodes call without their config is lost."""
    if ASYNC_ORACLE:
        return
    for item in items:
        if "tracing" in item.path.parts and ("async" in item.name or "astream_events" in item.name):
            item.add_marker(pytest.mark.skip(reason="LangGraph's async runs are no oracle on this Python"))


@pytest.fixture(scope="session")
def inside(server: LocalServer) -> Iterator[Inside]:
    """One coordinator and two workers."""
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        made.worker()
        made.worker()
        yield made


@pytest.fixture(scope="session")
def cluster(inside: Inside) -> Cluster:
    """A client of it."""
    return inside.client()


@pytest.fixture
def on_workers() -> Iterator[Any]:
    """`worker_callbacks`, undone after the test."""
    before = list(handlers._served)
    yield handlers.worker_callbacks
    handlers._served[:] = before


class LangSmith:
    """What was posted: run id -> the run, patches merged in. `posted` counts the posts of each."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.posted: dict[str, int] = {}
        self._lock = threading.Lock()
        remember = self._remember

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self, body: bytes = b"{}") -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                config = {"use_multipart_endpoint": False, "size_limit": 100, "size_limit_bytes": 20_000_000}
                scale = {"scale_up_qsize_trigger": 1000, "scale_up_nthreads_limit": 2, "scale_down_nempty_trigger": 4}
                self._answer(json.dumps({"batch_ingest_config": {**config, **scale}}).encode())

            def _take(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                remember(self.command, self.path, json.loads(data))
                self._answer()

            do_POST = do_PATCH = _take

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def _remember(self, command: str, path: str, body: dict[str, Any]) -> None:
        posts = body.get("post", []) if path.endswith("/batch") else [body] if command == "POST" else []
        patches = body.get("patch", []) if path.endswith("/batch") else [body] if command == "PATCH" else []
        with self._lock:
            for run in posts:
                self.posted[run["id"]] = self.posted.get(run["id"], 0) + 1
            for run in (*posts, *patches):
                id_ = run.get("id") or path.rpartition("/")[2]
                self.runs.setdefault(id_, {}).update({key: value for key, value in run.items() if value is not None})

    def names(self) -> list[tuple[str, ...]]:
        """The names of all runs, each with those above it."""
        return sorted(self._path(id_) for id_ in self.runs)

    def _path(self, id_: str) -> tuple[str, ...]:
        run = self.runs[id_]
        parent = run.get("parent_run_id")
        above = self._path(parent) if parent in self.runs else ()
        return (*above, run["name"])

    def close(self) -> None:
        """Answer no more."""
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def langsmith(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmith]:
    """A LangSmith at which the environment points, as long as the test runs."""
    from langsmith import run_trees, utils

    service = LangSmith()
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", "none")
    utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(run_trees, "_CLIENT", None)
    yield service
    if run_trees._CLIENT is not None:
        run_trees._CLIENT.flush()
    service.close()
    monkeypatch.undo()
    utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
