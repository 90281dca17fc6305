"""Whose a thread, a run or an item is: what its metadata say, and what of that a caller sees. Pure.

A *filter* is what metadata must be like: `{"key": value}`, `{"key": {"$eq": value}}`, or for a list in them
`{"key": {"$contains": value}}` with one value or several; all of these together. It is the form that langgraph_sdk's
`Auth` has. None lets all pass. What the gateway itself notes is under the names of `OURS`, which no client reads or
writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: the key of metadata, and the first label of namespaces of the store, that say whose something is
OWNER = "drumline_owner"
#: the key of a run's metadata that says what its starter wanted to see of it (`drumline_gateway.wishes`)
SHOWN = "drumline_shown"
#: keys of metadata that are the gateway's own
OURS = frozenset((OWNER, SHOWN))

Filter = Mapping[str, Any]


def matches(metadata: Mapping[str, Any] | None, wanted: Filter | None) -> bool:
    """Whether something with these metadata passes. A filter that cannot be understood lets nothing pass."""
    have = metadata or {}
    return all(_passes(have.get(key), condition) for key, condition in (wanted or {}).items())


def stamp(metadata: Mapping[str, Any] | None, wanted: Filter | None) -> dict[str, Any]:
    """Metadata that a client gave, made such that they pass the filter. Whose something is, no client says."""
    stamped = {key: value for key, value in (metadata or {}).items() if key not in OURS}
    for key, condition in (wanted or {}).items():
        if not isinstance(condition, Mapping):
            stamped[key] = condition
        elif "$eq" in condition:
            stamped[key] = condition["$eq"]
        elif not _passes(stamped.get(key), condition):
            needed = condition.get("$contains")
            kept = stamped[key] if isinstance(stamped.get(key), list) else []
            stamped[key] = [*kept, *(one for one in _listed(needed) if one not in kept)]
    return stamped


def visible(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as clients see them."""
    return {key: value for key, value in (metadata or {}).items() if key not in OURS}


def label_of(identity: str) -> str:
    """An identity as a label of a namespace, which has no period."""
    return identity.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")


def _passes(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return _same(value, condition)
    if set(condition) == {"$eq"}:
        return _same(value, condition["$eq"])
    if set(condition) == {"$contains"} and isinstance(value, (list, tuple)):
        return all(any(_same(one, needed) for one in value) for needed in _listed(condition["$contains"]))
    return False


def _same(one: Any, other: Any) -> bool:
    """Equal, and both True and 1 are not: nobody's metadata pass for another's by Python's kindness."""
    return type(one) is type(other) and bool(one == other)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
