"""The example passes as it stands, and finds the bug that it is about when that is put in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "testing" / "test_shop.py"


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=100, check=False)


def test_the_example_passes() -> None:
    done = run(EXAMPLE)
    assert done.returncode == 0, done.stdout
    assert "15 passed" in done.stdout


def test_a_charge_without_a_key_is_found(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    copy = tmp_path / EXAMPLE.name
    careful = "        if key not in self.receipts:\n"
    assert careful in text
    copy.write_text(text.replace(careful, "        if True:\n"))
    done = run(copy)
    assert "FAILED test_shop.py::test_a_worker_dies_in_a_node[charge] - assert 2 == 1" in done.stdout
    assert "FAILED test_shop.py::test_survives_crashes" in done.stdout
    assert "2 failed, 13 passed" in done.stdout
