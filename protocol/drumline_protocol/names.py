"""What an id or a name may be: of a run, a graph, a pool. Pure, and without the imports that a whole request needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_graph.texts import is_encodable
from drumline_protocol.limits import NAME_CHARS_MAX


def fault_of_name(value: Any) -> str | None:
    """What is wrong with an id or name, as the end of a sentence; None if nothing is."""
    if not isinstance(value, str):
        return f"must be a text, not a {type(value).__name__}"
    if not 0 < len(value) <= NAME_CHARS_MAX:
        return f"must have 1 to {NAME_CHARS_MAX} characters, not {len(value)}"
    if not is_encodable(value):
        return f"holds a lone surrogate, which no key can: {value!r}"
    return None


def listed(names: Sequence[str], none: str = "none") -> str:
    """Names for a sentence: quoted, with commas, at most twenty of them."""
    shown = ", ".join(repr(name) for name in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return (shown or none) + more
