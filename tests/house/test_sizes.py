"""No file and no function is too long. What is longer today stands here with its length, and may only shrink."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .rooms import around, short, sources, tree_of

LINES_MAX = 400
FUNCTION_LINES_MAX = 70
#: tests are lists of cases: they may be longer, and no function of theirs may
LINES_OF_TESTS_MAX = 600

#: file -> its length; a length that is allowed no longer must go from here
LONGER = {}
#: function -> its length: it has the signature of LangGraph's
LONGER_FUNCTIONS = {
    "client/drumline/prebuilt/chat_agent_executor.py create_react_agent": 87,
}


def _lengths(paths: Iterator[Path]) -> dict[str, int]:
    return {short(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}


def _function_lengths(paths: Iterator[Path]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{short(path)} {node.name}"
                found[name] = max(found.get(name, 0), (node.end_lineno or node.lineno) - node.lineno + 1)
    return found


def _too_long(lengths: dict[str, int], most: int, excepted: dict[str, int]) -> dict[str, int]:
    return {name: lines for name, lines in lengths.items() if lines > max(most, excepted.get(name, 0))}


def test_no_file_is_too_long() -> None:
    assert not _too_long(_lengths(sources()), LINES_MAX, LONGER)
    assert not _too_long(_lengths(around()), LINES_OF_TESTS_MAX, {})


def test_no_function_is_too_long() -> None:
    assert not _too_long(_function_lengths(sources()), FUNCTION_LINES_MAX, LONGER_FUNCTIONS)
    assert not _too_long(_function_lengths(around()), FUNCTION_LINES_MAX, {})


@pytest.mark.parametrize("name", [*LONGER, *LONGER_FUNCTIONS])
def test_an_exception_is_still_one(name: str) -> None:
    if name in LONGER:
        assert _lengths(sources()).get(name, 0) > LINES_MAX, f"{name} needs no exception any more"
    else:
        assert _function_lengths(sources()).get(name, 0) > FUNCTION_LINES_MAX, f"{name} needs no exception any more"
