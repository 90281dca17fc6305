"""The page of the field kit tells what the kit runs, and in which versions."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.field.cases import CASES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "field.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE[PAGE.index("| package |") :].split("\n\n", 1)[0].splitlines()[2:]
]


def test_the_table_has_every_case() -> None:
    told = {row[0] if row[1] else "": set(re.findall(r"`(\w+)`", row[2])) for row in ROWS}
    assert told == {
        package: {case.name for case in CASES if case.package == package}
        for package in {case.package for case in CASES}
    }
    assert len([package for package in told if package]) >= 8


def test_the_versions_are_those_that_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        re.findall(r"^([\w-]+)==([\d.]+)", "\n".join(project["optional-dependencies"]["field"]), re.MULTILINE)
    )
    assert {row[0]: row[1] for row in ROWS if row[1]} == pinned


def test_ci_runs_it() -> None:
    assert "\nmake test-field\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
