"""The page's pure modules, run by Node. Skipped, and said so, where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from drumline_gateway import page_files

HERE = Path(__file__).parent
PAGE = Path(page_files.__file__).parent / "page"
NODE = shutil.which("node")

#: modules that the tests import: they must not need a document
PURE = ("bounds.js", "reducer.js", "messages.js", "customs.js", "gantt.js", "layout.js", "diff.js", "schema.js")


@pytest.mark.skipif(NODE is None, reason="NODE IS NOT ON THIS MACHINE: the page's modules are not tested")
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_by_node(name: str) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", str(HERE / name)],
        env={**os.environ, "PAGE": str(PAGE)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout and "# pass 0" not in done.stdout


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_know_no_document_and_no_clock(name: str) -> None:
    text = "\n".join(line.split("//")[0] for line in (PAGE / name).read_text().splitlines())
    for word in ("document", "window", "fetch", "Date", "performance", "Math.random", "setTimeout"):
        assert word not in text, word
    for imported in [line.split('"')[1] for line in text.splitlines() if line.startswith("import ")]:
        assert imported.removeprefix("./") in PURE
