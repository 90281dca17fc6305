"""Names of LangGraph's public modules that drumline does not have: asking a module for one says so, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_graph.errors import FeatureNotBuilt

ADAPT = "Build that graph with LangGraph and run it with drumline.langgraph.adapt(graph)."


def unbuilt(module: str, feature: str, *names: str, advice: str = "") -> Callable[[str], Any]:
    """The `__getattr__` of a module in which `names` are not built.

    It raises FeatureNotBuilt for them, so that `from module import name` does, and AttributeError for any other name.
    """
    known = frozenset(names)

    def missing(name: str) -> Any:
        if name in known:
            raise FeatureNotBuilt(feature, f"{module}.{name}", advice)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
