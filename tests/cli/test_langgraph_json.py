"""`langgraph.json`, as LangGraph's own projects have it: what of it is honoured, and that the rest is told by name."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drumline.apps import AppFailed, AppNotFound, load_programs
from drumline.graph.compiled import CompiledStateGraph
from drumline.langgraph_json import Project, read_project
from drumline.retention import Retention
from drumline.settings import UsageError

APP = """
import asyncio
import contextlib
from typing import TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict, total=False):
    word: str

def build(word="plain"):
    async def say(state: State):
        return {"word": word}
    return StateGraph(State).add_node(word, say).add_edge(START, word).compile()

graph = build()

def make_graph(config):
    return build("configured" if config["configurable"] == {} else "?")

def by_keyword(*, config: dict | None = None):
    return build("keyword" if config is not None else "?")

def annotated(c: "RunnableConfig"):
    return build("annotated" if "metadata" in c else "?")

async def async_graph():
    await asyncio.sleep(0)
    return build("awaited")

async def async_config(config):
    await asyncio.sleep(0)
    return build("awaited" if "configurable" in config else "?")

@contextlib.asynccontextmanager
async def opened(config):
    opening = asyncio.get_running_loop()
    yield build("opened")

@contextlib.contextmanager
def entered():
    yield build("entered")

class Maker:
    def method(self, config):
        return build("method")

maker = Maker()

def two(config, model):
    return build()

def runtime(runtime: "ServerRuntime"):
    return build()

async def broken():
    raise LookupError("no model")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "lg_app.py").write_text(APP)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def write(folder: Path, **keys: Any) -> None:
    (folder / "langgraph.json").write_text(json.dumps(keys))


def read(folder: Path, **keys: Any) -> Project:
    write(folder, **{"graphs": {"a": "./lg_app.py:graph"}, **keys})
    project = read_project()
    assert project is not None
    return project


def test_no_file_no_project() -> None:
    assert read_project() is None
    with pytest.raises(AppNotFound, match=r"langgraph\.json"):
        load_programs([])


@pytest.mark.parametrize("name", ["my agent", "a=b", "team/agent", "pkg:graph", "ä ö", "./x.py"])
@pytest.mark.parametrize(
    "place", ["./lg_app.py:graph", "lg_app.py:graph", "lg_app:graph", {"path": "./lg_app.py:graph", "description": "d"}]
)
def test_any_name_and_every_form_of_a_place(folder: Path, name: str, place: Any) -> None:
    write(folder, graphs={name: place})
    assert list(load_programs([])) == [name]


@pytest.mark.parametrize(
    ("attribute", "node"),
    [
        ("make_graph", "configured"),
        ("by_keyword", "keyword"),
        ("annotated", "annotated"),
        ("async_graph", "awaited"),
        ("async_config", "awaited"),
        ("opened", "opened"),
        ("entered", "entered"),
        ("maker.method", "method"),
    ],
)
def test_factories(folder: Path, attribute: str, node: str) -> None:
    write(folder, graphs={"made": f"./lg_app.py:{attribute}"})
    program = load_programs([])["made"]
    assert list(program.nodes) == [node]
    assert CompiledStateGraph(program, debug=False, strict_wire=False).invoke({}) == {"word": node}  # type: ignore[call-overload]


def test_a_factory_with_a_config_is_told_to_be_called_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(folder, graphs={"made": "./lg_app.py:make_graph", "plain": "./lg_app.py:async_graph"})
    with caplog.at_level(logging.WARNING, "drumline.apps"):
        load_programs([])
    (line,) = caplog.messages
    assert "made=./lg_app.py:make_graph is called once, with an empty config" in line


@pytest.mark.parametrize(
    ("attribute", "told"), [("two", r"needs arguments \(model\)"), ("runtime", r"needs arguments \(runtime\)")]
)
def test_a_factory_that_needs_more_is_refused(folder: Path, attribute: str, told: str) -> None:
    write(folder, graphs={"made": f"./lg_app.py:{attribute}"})
    with pytest.raises(AppNotFound, match=told):
        load_programs([])


def test_a_factory_that_raises_is_the_apps_failure(folder: Path) -> None:
    write(folder, graphs={"made": "./lg_app.py:broken"})
    with pytest.raises(AppFailed, match="LookupError: no model") as caught:
        load_programs([])
    assert "raise LookupError" in caught.value.user_traceback


# -- env ----------------------------------------------------------------------------------------------


def test_env_as_an_object(folder: Path) -> None:
    project = read(folder, env={"A": "one", "NUMBER": 2, "HERE": "file"})
    environment = {"HERE": "environment"}
    project.prepare(environment)
    assert environment == {"A": "one", "NUMBER": "2", "HERE": "environment"}


def test_env_as_a_file(folder: Path) -> None:
    (folder / ".env").write_text("# a comment\nA=one\nexport B='two words'\nC=\"x\\ny\"\nEMPTY=\nBARE\n")
    environment: dict[str, str] = {}
    read(folder, env="./.env").prepare(environment)
    assert environment == {"A": "one", "B": "two words", "C": "x\ny", "EMPTY": ""}


def test_env_is_there_when_the_app_is_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LG_WORD", raising=False)
    (folder / "lg_env.py").write_text(APP + "\nimport os\ngraph = build(os.environ['LG_WORD'])\n")
    write(folder, graphs={"a": "./lg_env.py:graph"}, env={"LG_WORD": "from_env"})
    try:
        assert list(load_programs([])["a"].nodes) == ["from_env"]
    finally:
        monkeypatch.delenv("LG_WORD", raising=False)


# -- dependencies -------------------------------------------------------------------------------------


def test_folders_among_the_dependencies_are_on_the_module_path(folder: Path) -> None:
    for place in ("libs/one", "two/src"):
        (folder / place).mkdir(parents=True)
    (folder / "libs" / "one" / "lg_one.py").write_text("WORD = 'one'\n")
    (folder / "two" / "src" / "lg_two.py").write_text("WORD = 'two'\n")
    (folder / "lg_uses.py").write_text(APP + "\nimport lg_one, lg_two\ngraph = build(lg_one.WORD + lg_two.WORD)\n")
    write(folder, graphs={"a": "./lg_uses.py:graph"}, dependencies=[".", "./libs/one", "./two"])
    assert list(load_programs([])["a"].nodes) == ["onetwo"]


def test_a_package_that_is_not_installed_is_told(folder: Path) -> None:
    wanted = ["langgraph", "pydantic>=2", "no-such-package-of-ours[extra]>=1", "x @ git+https://example.org/x", "."]
    project = read(folder, dependencies=wanted)
    (line,) = project.told
    assert "'no-such-package-of-ours[extra]>=1' is not installed here" in line


# -- what is kept of threads ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "rules", "every_ms"),
    [
        ({"default_ttl": 60}, Retention(max_age=3600, keep="none"), None),
        (
            {"strategy": "keep_latest", "default_ttl": 1.5, "sweep_interval_minutes": 10},
            Retention(max_age=90, keep="latest"),
            600_000,
        ),
        ({"strategy": "delete", "sweep_interval_minutes": 1}, None, 60_000),
        ({}, None, None),
    ],
)
def test_the_ttl_of_a_checkpointer(folder: Path, ttl: Any, rules: Retention | None, every_ms: int | None) -> None:
    write(folder, graphs={"a": "./lg_app.py:graph"}, checkpointer={"ttl": ttl})
    project = read_project(folder)
    assert project is not None
    assert (project.retention, project.retention_sweep_ms, project.told) == (rules, every_ms, [])


def test_where_the_auth_object_is(folder: Path) -> None:
    write(folder, graphs={"a": "./lg_app.py:graph"}, auth={"path": "./auth.py:auth"})
    project = read_project()
    assert project is not None and (project.auth, project.told) == ("./auth.py:auth", [])
    for wrong in ("./auth.py:auth", {"path": "./auth.py"}, {"path": 1}):
        write(folder, graphs={"a": "./lg_app.py:graph"}, auth=wrong)
        with pytest.raises(UsageError, match="auth is"):
            read_project()


# -- what is not honoured -----------------------------------------------------------------------------


def test_what_is_not_honoured_is_told_once_by_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        folder,
        graphs={"a": "./lg_app.py:graph"},
        store={"index": {"dims": 3}, "path": "./store.py:made"},
        auth={"path": "./auth.py:auth", "openapi": {"x": 1}},
        http={"app": "./web.py:app"},
        dockerfile_lines=["RUN true"],
        checkpointer={"ttl": {}, "serde": {"allowed": []}},
        pip_installer="uv",
        python_version="2.7",
        typo=1,
        ui={},
        keep_pkg_tools=False,
        **{"$schema": "https://example.org/schema.json"},
    )
    with caplog.at_level(logging.WARNING, "drumline.apps"):
        load_programs([])
    told = caplog.messages
    assert "langgraph.json: store.path is not honoured: name a store of your own with --store" in told
    for key in ("http", "dockerfile_lines", "pip_installer", "typo"):
        assert [line for line in told if f"'{key}' is not honoured" in line], key
    assert [line for line in told if "python_version is 2.7" in line]
    assert [line for line in told if line.startswith("langgraph.json: checkpointer.serde is not honoured")]
    assert "langgraph.json: auth.openapi is not honoured: only its path is" in told
    assert len(told) == 8, "what stands for nothing is not told, and nothing twice"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"graphs": {}}, "names no graphs"),
        ({"graphs": []}, "names no graphs"),
        ({"graphs": {"a": {}}}, "graph 'a' is {}"),
        ({"checkpointer": 3}, "checkpointer is 3"),
        ({"checkpointer": {"ttl": 3}}, "checkpointer.ttl: it is 3"),
        ({"checkpointer": {"ttl": {"strategy": "x"}}}, "strategy is 'x', and must be one of delete, keep_latest"),
        ({"checkpointer": {"ttl": {"default_ttl": 0}}}, "default_ttl is 0, and must be a number of minutes"),
        ({"graphs": {"a": 3}}, "graph 'a' is 3"),
        ({"graphs": {"a": "./agent.ts:graph"}}, "is JavaScript"),
        ({"env": ["A"]}, "env is ['A']"),
        ({"env": {"A": ["b"]}}, "env 'A' is ['b']"),
        ({"env": ".missing"}, "there is no file"),
        ({"dependencies": "."}, "dependencies is '.'"),
        ({"dependencies": ["./missing"]}, "there is no folder"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_place(folder: Path, keys: dict[str, Any], told: str) -> None:
    write(folder, **{"graphs": {"a": "./lg_app.py:graph"}, **keys})
    with pytest.raises(UsageError) as caught:
        read_project()
    assert told in str(caught.value) and "langgraph.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"x"', "\ufeff{"])
def test_what_is_no_object_with_graphs_is_told(folder: Path, text: str) -> None:
    (folder / "langgraph.json").write_text(text)
    with pytest.raises(UsageError, match=r"langgraph\.json .*graphs"):
        read_project()
