"""`loaded`: what somebody else has imported, never a half of it."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drumline_graph.loaded import loaded

LIMIT_S = 20


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module `slow_library` whose import waits in its middle. `begun` and `go_on` are its events."""
    gate = ModuleType("slow_gate")
    gate.begun, gate.go_on, gate.fails = threading.Event(), threading.Event(), False  # type: ignore[attr-defined]
    (tmp_path / "slow_library.py").write_text(
        "import slow_gate\n"
        "from drumline_graph.loaded import loaded\n"
        "seen_by_itself = loaded('slow_library')\n"
        "slow_gate.begun.set()\n"
        f"assert slow_gate.go_on.wait({LIMIT_S})\n"
        "if slow_gate.fails: raise ImportError('broken')\n"
        "class Thing: ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "slow_gate", gate)
    yield gate
    sys.modules.pop("slow_library", None)


def import_in_thread() -> threading.Thread:
    def run() -> None:
        with suppress(ImportError):
            importlib.import_module("slow_library")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def look_in_thread(found: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: found.append(loaded("slow_library")), daemon=True)
    thread.start()
    return thread


def test_nothing_is_imported() -> None:
    assert loaded("turtledemo.clock") is None
    assert "turtledemo.clock" not in sys.modules


def test_who_looks_while_another_thread_imports_gets_the_whole_module(slow: Any) -> None:
    importer = import_in_thread()
    assert slow.begun.wait(LIMIT_S)
    assert not hasattr(sys.modules["slow_library"], "Thing"), "the premise: `sys.modules` shows half a module"
    found: list[Any] = []
    looker = look_in_thread(found)
    looker.join(0.2)
    assert not found, "it waits"
    slow.go_on.set()
    looker.join(LIMIT_S)
    importer.join(LIMIT_S)
    (module,) = found
    assert module.Thing
    assert module.seen_by_itself is None, "whoever imports it has nothing of it yet"
    assert loaded("slow_library") is module


def test_an_import_that_fails_gives_nothing(slow: Any) -> None:
    slow.fails = True
    importer = import_in_thread()
    assert slow.begun.wait(LIMIT_S)
    found: list[Any] = []
    looker = look_in_thread(found)
    looker.join(0.1)
    slow.go_on.set()
    looker.join(LIMIT_S)
    importer.join(LIMIT_S)
    assert found == [None]


def test_a_module_that_was_taken_away_is_not_remembered(slow: Any) -> None:
    slow.go_on.set()
    whole = importlib.import_module("slow_library")
    assert loaded("slow_library") is whole
    del sys.modules["slow_library"]
    assert loaded("slow_library") is None


def test_a_module_that_is_forbidden_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "forbidden_library", None)  # type: ignore[arg-type]
    assert loaded("forbidden_library") is None
