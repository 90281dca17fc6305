"""Options of the builder: former names, and names that do not exist."""

from __future__ import annotations

from typing import Any

from drumline_graph.warnings import LangGraphDeprecatedSinceV05, LangGraphDeprecatedSinceV10, tell


def renamed(kwargs: dict[str, Any], old: str, new: str, value: Any) -> Any:
    """Accept LangGraph's former keyword `old` for `new`, with the DeprecationWarning that it gives."""
    if old not in kwargs:
        return value
    given = kwargs.pop(old)
    category = LangGraphDeprecatedSinceV10 if old == "config_schema" else LangGraphDeprecatedSinceV05
    tell(f"{old!r} is deprecated, use {new!r}.", category)
    return given if value is None else value


def refuse_unknown(where: str, kwargs: dict[str, Any]) -> None:
    """TypeError for keywords that no parameter has."""
    if kwargs:
        raise TypeError(f"{where} got unexpected keyword arguments: {', '.join(sorted(kwargs))}.")
