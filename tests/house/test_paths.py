"""Every public module of LangGraph has its twin under drumline, with each public name: there, or refused by name."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path

import langgraph
import pytest
import typing_extensions

import drumline
from drumline.errors import FeatureNotBuilt

#: parts of LangGraph that are no API of graphs, or packages of their own beside it: the tests may have them
APART = [
    *("dev", "checkpoint.conformance", "checkpoint.postgres", "checkpoint.sqlite.utils"),
    *("cache.sqlite", "store.postgres", "store.sqlite"),
]


def modules() -> Iterator[str]:
    """Paths of LangGraph's public modules, without its root: its parts are namespace packages, so files are walked."""
    found = set()
    for root in map(Path, langgraph.__path__):
        for file in root.rglob("*.py"):
            parts = file.relative_to(root).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            path = ".".join(parts)
            apart = any(f"{path}.".startswith(f"{name}.") for name in APART)
            if parts and not apart and not any(part.startswith("_") for part in parts):
                found.add(path)
    yield from sorted(found)


def public_names(path: str) -> set[str]:
    """`__all__`, or what the module defines; type variables are nobody's API."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"langgraph.{path}")
    variables = (typing.TypeVar, typing_extensions.TypeVar)
    declared = getattr(module, "__all__", None)
    if declared is not None:
        return set(declared)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and not isinstance(value, (types.ModuleType, *variables))
    }


def test_the_walk_finds_what_everybody_knows() -> None:
    known = {
        "graph",
        "graph.message",
        "types",
        "prebuilt",
        "checkpoint.memory",
        "store.base",
        "func",
        "pregel",
        "cache.memory",
    }
    assert known <= set(modules())
    assert {"StateGraph", "START"} <= public_names("graph")
    assert "InMemorySaver" in public_names("checkpoint.memory")


@pytest.mark.parametrize("path", list(modules()))
def test_each_public_name_is_there_or_refused(path: str) -> None:
    module = importlib.import_module(f"drumline.{path}")
    missing, refused = [], []
    for name in sorted(public_names(path)):
        try:
            getattr(module, name)
        except FeatureNotBuilt as error:
            refused.append((name, str(error)))
        except AttributeError:
            missing.append(name)
    assert not missing, f"drumline.{path} lacks {missing}"
    for name, text in refused:
        assert f"drumline.{path}.{name}" in text
        assert name not in getattr(module, "__all__", ()), "`from module import *` would raise"
        with pytest.raises(FeatureNotBuilt):
            exec(f"from drumline.{path} import {name}")
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018


#: what these modules say that they need
NEED_LANGCHAIN = ("drumline.langgraph", "drumline.prebuilt", "drumline.tracing")


def test_no_module_imports_langgraph_or_langchain() -> None:
    """Whole, in one process: an import somewhere below would show."""
    root = Path(drumline.__file__).parent
    names = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(NEED_LANGCHAIN):
            names.append(name)
    assert "drumline.func" in names and "drumline.checkpoint.memory" in names
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "kept_out = {'langgraph', 'langchain', 'langchain_core', 'langsmith'}\n"
        "found = kept_out & {module.partition('.')[0] for module in sys.modules}\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
