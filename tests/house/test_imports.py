"""Nobody but `loaded` looks into `sys.modules`: it shows modules that another thread has only half imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .rooms import short, sources, tree_of

#: `loaded` itself; the loader of apps, which puts modules there and looks under a lock of its own
ALLOWED = {"graph/drumline_graph/loaded.py", "client/drumline/apps.py"}


@pytest.mark.parametrize("path", list(sources()), ids=short)
def test_nobody_peeks_into_the_modules(path: Path) -> None:
    if short(path) in ALLOWED:
        return
    for node in ast.walk(tree_of(path)):
        assert not (isinstance(node, ast.Attribute) and node.attr == "modules"), (
            f"{path}:{node.lineno} looks into sys.modules: ask drumline_graph.loaded.loaded"
        )
