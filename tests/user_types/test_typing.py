"""mypy and pyright over a user's program: drumline's types catch what LangGraph's do, and the page says so.

A program is put together from files of right and of wrong uses. It is judged with LangGraph's imports, with drumline's,
and with drumline's where the graph that is called is one on a cluster.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.docs.pages import tables_of

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/typing.md"
CHECKERS = ("mypy", "pyright")
MARK = re.compile(r"  #! (.+)$")
METHOD = re.compile(r"\.(a?(?:stream|invoke|batch))\(")
HERE_GRAPH = "graph = compiled"
CLUSTER_GRAPH = """
from drumline import AsyncRunStream, Cluster, ClusterGraph, RunStream

cluster = Cluster("redis://there")
graph = cluster.graph("writer", graph=compiled)
"""
#: what is judged: its files, and the library whose imports stand in them
PROGRAMS: dict[str, tuple[str, ...]] = {
    "langgraph": ("program", HERE_GRAPH, "right", "wrong"),
    "drumline": ("program", HERE_GRAPH, "right", "wrong"),
    "cluster": ("program", CLUSTER_GRAPH, "right", "right_cluster", "wrong", "wrong_cluster"),
    "roles": ("roles",),
}
#: mistakes that a checker does not see: with LangGraph's types neither
UNSEEN = {"mypy": {"a node whose input is no class of fields"}, "pyright": set[str]()}

pytestmark = pytest.mark.timeout(300)


class Line(NamedTuple):
    """A line of a program, by the file that it came from."""

    file: str
    number: int
    text: str

    @property
    def mistake(self) -> str | None:
        """What is wrong with it."""
        found = MARK.search(self.text)
        return None if found is None else found[1]


@cache
def lines_of(program: str) -> tuple[Line, ...]:
    root = "langgraph" if program == "langgraph" else "drumline"
    lines: list[Line] = []
    for part in PROGRAMS[program]:
        file = HERE / f"{part}.py.txt" if part.isidentifier() else None
        text = (part if file is None else file.read_text()).replace("ROOT", root)
        lines.extend(Line(part, number, line) for number, line in enumerate(text.splitlines(), 1))
    return tuple(lines)


@cache
def flagged(checker: str, program: str, folder: Path) -> frozenset[Line]:
    """The lines that a checker finds fault with."""
    lines = lines_of(program)
    file = folder / f"{program}_program.py"
    file.write_text("\n".join(line.text for line in lines) + "\n")
    if checker == "mypy":
        command = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"), str(file)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode in (0, 1), done.stderr
        numbers = set(map(int, re.findall(r"^[^:]+:(\d+): error:", done.stdout, re.MULTILINE)))
    else:
        command = ["-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(file)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder)
        found = json.loads(done.stdout)["generalDiagnostics"]
        numbers = {item["range"]["start"]["line"] + 1 for item in found if item["severity"] == "error"}
    return frozenset(lines[number - 1] for number in numbers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("typing")


@pytest.fixture(params=CHECKERS)
def checker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    if name == "pyright" and shutil.which("node") is None:
        pytest.skip("pyright would fetch node")
    return name


OURS = [program for program in PROGRAMS if program != "langgraph"]


@pytest.mark.parametrize("program", OURS)
def test_no_checker_finds_fault_with_right_uses(checker: str, program: str, folder: Path) -> None:
    assert not [line for line in flagged(checker, program, folder) if line.mistake is None]


@pytest.mark.parametrize("program", OURS)
def test_every_checker_finds_each_wrong_use(checker: str, program: str, folder: Path) -> None:
    wrong = {line for line in lines_of(program) if line.mistake is not None}
    assert len(wrong) >= 15
    missed = {line for line in wrong - flagged(checker, program, folder) if line.mistake not in UNSEEN[checker]}
    assert not missed


@pytest.mark.parametrize("program", ["drumline", "cluster"])
def test_what_langgraphs_types_catch_is_caught(checker: str, program: str, folder: Path) -> None:
    theirs = {line[:2] for line in flagged(checker, "langgraph", folder) if line.mistake is not None}
    ours = {line[:2] for line in flagged(checker, program, folder)}
    assert len(theirs) > 50
    assert theirs <= ours


def cell(checker: str, program: str, mistake: str, folder: Path) -> str:
    """What the table says of a mistake: "yes", "no", or the methods in which it goes unseen."""
    lines = [line for line in lines_of(program) if line.mistake == mistake]
    unseen = [line for line in lines if line not in flagged(checker, program, folder)]
    if not unseen:
        return "yes"
    if len(unseen) == len(lines):
        return "no"
    methods = [found[1] for line in unseen if (found := METHOD.search(line.text))]
    return "not in " + ", ".join(f"`{name}`" for name in dict.fromkeys(methods))


def mistakes_of(program: str, file: str) -> list[str]:
    return list(dict.fromkeys(line.mistake for line in lines_of(program) if line.file == file and line.mistake))


def check_table(checker: str, first: str, programs: list[str], mistakes: list[str], folder: Path) -> None:
    table = next(rows for rows in tables_of(PAGE) if rows[0][0] == first)
    columns = {name: index for index, name in enumerate(table[0])}
    rows = {row[0]: row for row in table[2:]}
    assert list(rows) == mistakes
    for mistake in mistakes:
        for program in programs:
            said = rows[mistake][columns[f"{program}, {checker}"]]
            assert said == cell(checker, program, mistake, folder), (mistake, program, checker)


def test_the_table_of_mistakes(checker: str, folder: Path) -> None:
    check_table(checker, "mistake", ["langgraph", "drumline", "cluster"], mistakes_of("drumline", "wrong"), folder)


def test_the_table_of_mistakes_with_a_cluster(checker: str, folder: Path) -> None:
    check_table(checker, "mistake with a cluster", ["cluster"], mistakes_of("cluster", "wrong_cluster"), folder)


def test_the_differences_are_listed(checker: str, folder: Path) -> None:
    """What LangGraph's types do not see and drumline's do, and what LangGraph's find fault with and is right."""
    section = PAGE.read_text().partition("## Where they differ")[2].partition("\n## ")[0]
    listed = " ".join(section.split())
    theirs, ours = flagged(checker, "langgraph", folder), flagged(checker, "drumline", folder)
    places = {line[:2] for line in theirs}
    for line in lines_of("drumline"):
        if (line[:2] in places) != (line in ours):
            told = line.mistake or line.text.partition("  #? ")[2]
            assert told and told in listed, line
