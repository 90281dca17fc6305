"""The range of LangGraph versions: one claim, in code, packaging and documentation; and a clear error outside of it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from drumline.langgraph import NEWEST, OLDEST, UnsupportedLangGraph, adapt, versions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
OLDEST_TEXT, NEWEST_TEXT = (".".join(map(str, numbers)) for numbers in (OLDEST, NEWEST))
RANGE = f"langgraph>={OLDEST_TEXT},<{NEWEST_TEXT}"
GRAPH = StateGraph(MessagesState).add_node("n", lambda _: None).add_edge(START, "n").compile()


def test_the_range_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert extras["langgraph"] == [RANGE]
    tested = [line for line in extras["test"] if line.startswith("langgraph>")]
    assert len(tested) == 1 and tested[0].endswith(f",<{NEWEST_TEXT}"), "`make test` is for the newest"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^OLDEST_LANGGRAPH := (.*)$", makefile, re.MULTILINE) == [OLDEST_TEXT]
    for page in ("README.md", "docs/langgraph.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        told = re.findall(r"LangGraph (\S+) or newer, below (\d[\d.]*\d)", text)
        assert told and set(told) == {(OLDEST_TEXT, NEWEST_TEXT)}, page


def test_ci_tests_the_oldest() -> None:
    assert "\nmake test-oldest\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The version that is said to be installed: its last item."""
    told = [""]
    monkeypatch.setattr(versions, "version", lambda _: told[-1])
    versions.check_version.cache_clear()
    yield told
    versions.check_version.cache_clear()


@pytest.mark.parametrize("number", ["0.6.11", "1.1.10", "1.3", "1.3.0", "1.3.0rc1", "2.0"])
def test_another_version_is_refused(installed: list[str], number: str) -> None:
    installed.append(number)
    with pytest.raises(UnsupportedLangGraph) as caught:
        adapt(GRAPH)
    assert f"LangGraph {number} is installed" in str(caught.value)
    assert f'pip install "{RANGE}"' in str(caught.value)


@pytest.mark.parametrize("number", [OLDEST_TEXT, "1.2.11", "1.2.99", "1.2.24.dev1", "1.2.24+local"])
def test_a_version_of_the_range_is_taken(installed: list[str], number: str) -> None:
    installed.append(number)
    assert adapt(GRAPH).invoke({"messages": []}) == {"messages": []}


def test_the_installed_one_is_in_the_range() -> None:
    assert versions.check_version() == version("langgraph")


HIDDEN = """
import importlib.metadata, sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("langgraph", "langchain", "langchain_core"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def version(name, real=importlib.metadata.version):
    if name == "langgraph":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

sys.meta_path.insert(0, Hide())
importlib.metadata.version = version
"""


def _without_langgraph(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + code], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_langgraph_the_error_says_what_to_install() -> None:
    code = """
from drumline.langgraph import adapt, is_langgraph
assert not is_langgraph(object())
try:
    adapt(object())
except ImportError as error:
    print(type(error).__name__, error)
"""
    told = _without_langgraph(code)
    assert told.startswith("UnsupportedLangGraph LangGraph is not installed.")
    assert f"at least {OLDEST_TEXT} and below {NEWEST_TEXT}" in told
    assert 'pip install "drumline[langgraph]"' in told


def test_without_langgraph_everything_else_works() -> None:
    code = """
from typing import TypedDict
import drumline.apps, drumline.cli.main
from drumline.graph import START, StateGraph

class State(TypedDict):
    n: int

print(StateGraph(State).add_node("n", lambda s: {"n": s["n"] + 1}).add_edge(START, "n").compile().invoke({"n": 1}))
"""
    assert _without_langgraph(code) == "{'n': 2}\n"
