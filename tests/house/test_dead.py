"""What nobody uses fails: functions, classes, methods and constants of the rooms, verbs of the broker, keys, messages.

vulture reads the rooms alone, so that what only a test uses counts as unused. It goes by names: a name that is used
anywhere is used everywhere, so what it finds is dead, and it does not find all.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from typing import Any

import pytest
from vulture import Vulture

from drumline_protocol import facts, limits, messages, wire
from drumline_protocol.keys import Keys

from .rooms import ROOT, module_of, short, sources, tree_of

#: the faces of drumline that users import: what is in their `__all__`, and the methods of those classes, is for them
FACES = ("drumline", *(f"drumline.{name}" for name in ("config", "errors", "graph", "graph.state", "messages")))
FACES += tuple(
    f"drumline.{name}"
    for name in ("checkpoint.base", "checkpoint.memory", "checkpoint.sqlite", "checkpoint.sqlite.aio")
)
FACES += tuple(
    f"drumline.{name}" for name in ("prebuilt", "prebuilt.interrupt", "runtime", "testing", "tracing", "types")
)
FACES += tuple(f"drumline.cache.{name}" for name in ("base", "memory", "redis", "sqlite"))
FACES += tuple(f"drumline.store.{name}" for name in ("base", "base.batch", "base.embed", "memory", "redis", "sqlite"))
FACES += ("drumline.gateway", "drumline.store.sqlite.aio")
#: classes that users are given without importing them
GIVEN = (
    ("drumline.cluster.cluster", "Cluster"),
    ("drumline.cluster.remote", "ClusterGraph"),
    ("drumline.cluster.threads", "ThreadsOfCluster"),
    ("drumline.graph.compiled", "CompiledStateGraph"),
    ("drumline.langgraph.graph", "AdaptedGraph"),
    ("drumline_graph.draw", "DrawableGraph"),
    ("drumline_worker.runtime", "Runtime"),
)
#: what others call by a name that no code of ours says
CALLED_BY_OTHERS = {
    "_at_exit": "Python, at its end",
    "_close_all": "Python, at its end",
    "capture_signals": "uvicorn, of its server",
    "_conforms": "type checkers: the class has all verbs of its Protocol",
    "TracedAsyncRunStream": "`drumline.cluster.opening`, by its name",
    "TracedRunStream": "`drumline.cluster.opening`, by its name",
    "ignore_chain": "LangChain, of a handler",
    "on_chat_model_start": "LangChain, of a handler",
    "on_llm_end": "LangChain, of a handler",
    "on_llm_error": "LangChain, of a handler",
    "on_llm_new_token": "LangChain, of a handler",
    "on_tool_end": "LangChain, of a handler",
    "on_tool_error": "LangChain, of a handler",
    "on_tool_start": "LangChain, of a handler",
    "tap_output_iter": "LangChain, of a handler",
}
#: what stands there for what is not built yet, and for tests
RESERVED = {
    "schema_types": "the codec tables of the simulation",
}
KINDS = {"class", "function", "method", "property"}


@functools.cache
def public_names() -> set[str]:
    found: set[str] = set()
    for face in FACES:
        module = importlib.import_module(face)
        for name in getattr(module, "__all__", None) or vars(module):
            found.add(name)
            found.update(_of_class(getattr(module, name, None)))
    for module_name, name in GIVEN:
        found.update(_of_class(getattr(importlib.import_module(module_name), name)))
    return found


def _of_class(value: Any) -> set[str]:
    return {name for name in dir(value) if not name.startswith("_")} if inspect.isclass(value) else set()


def constants() -> set[tuple[str, int]]:
    """(name, line) of each constant of a module; fields of classes are told apart from them by where they stand."""
    return {
        (target.id, node.lineno)
        for path in sources()
        for node in tree_of(path).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    }


@functools.cache
def unused() -> dict[str, str]:
    """name -> where it stands, of what vulture finds."""
    vulture = Vulture()
    vulture.scavenge([str(path) for path in sources()])
    at_top = constants()
    return {
        item.name: f"{short(item.filename)}:{item.first_lineno} {item.typ} {item.name}"
        for item in vulture.get_unused_code(min_confidence=60)
        if (item.typ in KINDS and not item.name.startswith("__")) or (item.name, item.first_lineno) in at_top
    }


def test_nothing_is_there_that_nobody_uses() -> None:
    allowed = public_names() | set(CALLED_BY_OTHERS) | set(RESERVED)
    assert not sorted(where for name, where in unused().items() if name not in allowed)


@pytest.mark.parametrize("name", [*CALLED_BY_OTHERS, *RESERVED])
def test_an_exception_is_still_one(name: str) -> None:
    assert name in unused() and name not in public_names(), f"{name} needs no exception any more"


# -- tables whose names are common words: asked for as what they are --------------------------------------------------


@functools.cache
def texts() -> list[tuple[str, str]]:
    """(module, text) of each file of the rooms, Lua scripts too."""
    scripts = sorted((ROOT / "transport").rglob("*.lua"))
    named = [*((module_of(path), path) for path in sources()), *((short(path), path) for path in scripts)]
    return [(name, path.read_text(encoding="utf-8")) for name, path in named]


def is_used(pattern: str, but_in: str) -> bool:
    return any(re.search(pattern, text) for module, text in texts() if module != but_in)


#: docs/protocol.md calls threads reserved; `tag` is what tests compare keys with
RESERVED_KEYS = {"tag", "thread"}


@pytest.mark.parametrize(
    "name", sorted(name for name in vars(Keys) if not name.startswith("_") and callable(getattr(Keys, name)))
)
def test_a_key_is_made_somewhere(name: str) -> None:
    assert is_used(rf"[kK]eys(\(\w*\))?\.{name}\b", "drumline_protocol.keys") or name in RESERVED_KEYS


@pytest.mark.parametrize("name", sorted(name for name in vars(limits) if name.isupper() and name not in RESERVED))
def test_a_bound_is_kept_somewhere(name: str) -> None:
    assert is_used(rf"\b{name}\b", "drumline_protocol.limits")


@pytest.mark.parametrize(
    "cls",
    [layout.cls for layout in wire._LAYOUTS.values() if layout.cls.__module__ in (messages.__name__, facts.__name__)],
    ids=lambda cls: cls.__name__,
)
def test_a_message_is_made_and_taken_somewhere(cls: type) -> None:
    wires = {"drumline_protocol.wire", "drumline_protocol.wire_shapes", cls.__module__}
    made = [module for module, text in texts() if module not in wires and re.search(rf"\b{cls.__name__}\(", text)]
    named = [
        module for module, text in texts() if module not in wires and re.search(rf"\b{cls.__name__}\b(?!\()", text)
    ]
    assert made and named, f"{cls.__name__}: made in {made}, named in {named}"
