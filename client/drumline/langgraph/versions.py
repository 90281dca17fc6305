"""Which LangGraph this package can work with, and what it says otherwise."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from drumline_graph.errors import DrumlineError, FeatureNotBuilt

#: the range that CI runs the tests with: from OLDEST on, below NEWEST
OLDEST, NEWEST = (1, 2, 0), (1, 3)


class UnsupportedLangGraph(DrumlineError, ImportError):
    """LangGraph is not installed, or in a version that drumline's adapter was not tested with."""


@cache
def check_version() -> str:
    """The version of LangGraph that is installed. UnsupportedLangGraph, which says what to install."""
    wanted = f"at least {_text(OLDEST)} and below {_text(NEWEST)}"
    try:
        found = version("langgraph")
    except PackageNotFoundError:
        raise UnsupportedLangGraph(
            f"LangGraph is not installed. drumline runs its compiled graphs with a version of {wanted}: "
            'pip install "drumline[langgraph]"'
        ) from None
    if not OLDEST <= _numbers(found) < NEWEST:
        raise UnsupportedLangGraph(
            f"LangGraph {found} is installed, and drumline's adapter works with a version of {wanted}: "
            f'pip install "langgraph>={_text(OLDEST)},<{_text(NEWEST)}"'
        )
    return found


def refuse(feature: str, where: str, instead: str = "") -> Any:
    """Raise FeatureNotBuilt for a part of a LangGraph graph that drumline does not run."""
    raise FeatureNotBuilt(feature, f"{where}{': ' + instead if instead else ''}")


def _numbers(text: str) -> tuple[int, ...]:
    digits = (part for part in text.split("+")[0].split(".")[:3])
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in digits)


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
