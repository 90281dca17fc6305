"""What changed between two values of JSON, as JSON Patch (RFC 6902). Pure."""

from __future__ import annotations

from typing import Any


def patch(old: Any, new: Any, path: str = "") -> list[dict[str, Any]]:
    """Operations that make `new` of `old`. Objects are compared key by key; a list that has grown is appended to."""
    if type(old) is type(new) and old == new and not isinstance(new, (dict, list)):
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        found = [{"op": "remove", "path": _below(path, key)} for key in old if key not in new]
        for key, value in new.items():
            if key in old:
                found += patch(old[key], value, _below(path, key))
            else:
                found.append({"op": "add", "path": _below(path, key), "value": value})
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) <= len(new):
        changes = [
            patch(one, other, f"{path}/{number}") for number, (one, other) in enumerate(zip(old, new, strict=False))
        ]
        added = [{"op": "add", "path": f"{path}/-", "value": value} for value in new[len(old) :]]
        return [*(change for some in changes for change in some), *added]
    return [{"op": "replace", "path": path, "value": new}]


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
