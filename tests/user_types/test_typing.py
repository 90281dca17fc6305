"""mypy and pyright over a user's program: drumline's types catch what LangGraph's do, and the page says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.docs.pages import tables_of

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/typing.md"
PROGRAM = (HERE / "mistakes.py.txt").read_text()
ROOTS = ("langgraph", "drumline")
MISTAKE = re.compile(r"  #! (.+)$")
pytestmark = pytest.mark.timeout(300)


def mistakes() -> dict[int, str]:
    lines = enumerate(PROGRAM.splitlines(), 1)
    return {number: found[1] for number, line in lines if (found := MISTAKE.search(line))}


@cache
def flagged(checker: str, root: str, folder: Path) -> frozenset[int]:
    """The lines that a checker finds fault with."""
    file = folder / f"{root}_program.py"
    file.write_text(PROGRAM.replace("ROOT", root))
    if checker == "mypy":
        command = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"), str(file)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode in (0, 1), done.stderr
        return frozenset(map(int, re.findall(r"^[^:]+:(\d+): error:", done.stdout, re.MULTILINE)))
    command = ["-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(file)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return frozenset(item["range"]["start"]["line"] + 1 for item in found if item["severity"] == "error")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("typing")


@pytest.fixture(params=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    if name == "pyright" and shutil.which("node") is None:
        pytest.skip("pyright would fetch node")
    return name


def test_a_correct_program_is_correct(checker: str, folder: Path) -> None:
    wrong = flagged(checker, "drumline", folder) - set(mistakes())
    assert not wrong, [PROGRAM.splitlines()[line - 1] for line in sorted(wrong)]


def test_what_langgraphs_types_catch_is_caught(checker: str, folder: Path) -> None:
    known = mistakes()
    theirs = {known[line] for line in flagged(checker, "langgraph", folder) if line in known}
    ours = {known[line] for line in flagged(checker, "drumline", folder) if line in known}
    assert len(theirs) > 15
    assert theirs <= ours


def test_the_table_in_the_documentation(checker: str, folder: Path) -> None:
    table = next(rows for rows in tables_of(PAGE) if rows[0][0] == "mistake")
    columns = {name: index for index, name in enumerate(table[0])}
    rows = {row[0]: row for row in table[2:]}
    caught = {root: flagged(checker, root, folder) for root in ROOTS}
    for line, label in mistakes().items():
        for root in ROOTS:
            said = rows[label][columns[f"{root}, {checker}"]]
            assert (said == "yes") == (line in caught[root]), (label, root, checker)
    assert set(rows) == set(mistakes().values())
