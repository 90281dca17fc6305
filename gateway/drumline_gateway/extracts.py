"""`extract` of a search: values at paths into what is shown of a thread, under names of the client's. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from drumline_gateway.bodies import Fields
from drumline_gateway.errors import bad
from drumline_gateway.json_values import plain

#: paths that one search may ask for, which is LangGraph's bound too
PATHS_MAX = 10
#: characters of a name or a path
CHARS_MAX = 1000
#: keys of a shown thread that a path may begin with
ROOTS = ("values", "metadata", "interrupts", "config", "error", "status", "thread_id", "created_at", "updated_at",
         "state_updated_at")  # fmt: skip

#: a key of an object, behind a dot but for the first; or an index of a list, from its end if it is negative
_STEP = re.compile(r"\.?(?P<key>[^.\[\]]+)|\[(?P<index>-?\d{1,9})\]")

Path = tuple[str | int, ...]


def paths_in(fields: Fields) -> dict[str, Path]:
    """The paths that a body asks for, by their names; {} if it asks for none. HttpError 422."""
    given = fields.dict("extract")
    if len(given) > PATHS_MAX:
        raise bad(f"extract names {len(given)} paths: {PATHS_MAX} are the most.")
    return {name: _path(name, text) for name, text in given.items()}


def _path(name: str, text: Any) -> Path:
    if not isinstance(text, str) or not 0 < len(text) <= CHARS_MAX or len(name) > CHARS_MAX:
        raise bad(f"extract.{name[:40]} must be a path of 1 to {CHARS_MAX} characters, like values.messages[-1].")
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found["key"] is not None and (at > 0) != (text[at] == ".")):
            raise bad(f"extract.{name[:40]} is no path from character {at + 1} on: keys follow dots, indices are [0].")
        steps.append(found["key"] if found["key"] is not None else int(found["index"]))
        at = found.end()
    if steps[0] not in ROOTS:
        raise bad(f"extract.{name[:40]} begins with {str(steps[0])[:40]!r}: a path begins with {', '.join(ROOTS)}.")
    return tuple(steps)


def extracted(row: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, Any]:
    """What lies at these paths of a shown thread, as plain data; None where there is nothing."""
    roots = plain({root: row.get(root) for root in roots_of(paths)})
    return {name: _at(roots, path) for name, path in paths.items()}


def roots_of(paths: Mapping[str, Path]) -> Collection[str]:
    """The keys of a shown thread that the paths begin with."""
    return {str(path[0]) for path in paths.values()}


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value
