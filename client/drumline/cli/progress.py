"""Custom events that tell how far a long work is. Pure.

A node draws a bar by `writer({"progress": x})`, where x is a number from 0 to 100, a fraction (a float up to 1.0), or a
text such as "50%". Beside it, `message` or `status` is shown behind the bar, and `task`, `name`, `label` or `node`
tells bars of one graph apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LABELS = ("task", "name", "label", "node")
_TEXTS = ("message", "status", "text", "step")


@dataclass(slots=True)
class Progress:
    """How far one work is: `percent` from 0 to 100. `label` is "" when the event names none.

    `rest` is what the event says beside: a bar does not show it.
    """

    percent: float
    label: str
    text: str
    rest: dict[Any, Any] = field(default_factory=dict)


def progress_of(event: Any) -> Progress | None:
    """The progress that a custom event tells; None if it is another event."""
    if not isinstance(event, Mapping):
        return None
    percent = _percent(event.get("progress"))
    if percent is None:
        return None
    label = next((key for key in _LABELS if event.get(key) is not None), None)
    text = next((key for key in _TEXTS if event.get(key) is not None), None)
    shown = ("progress", label, text)
    return Progress(
        min(100.0, max(0.0, percent)),
        "" if label is None else str(event[label]),
        "" if text is None else str(event[text]),
        {key: value for key, value in event.items() if key not in shown},
    )


def _percent(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.strip().removesuffix("%"))
        except ValueError:
            return None
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return float(min(value, 100))
    if isinstance(value, float) and math.isfinite(value):
        return value * 100 if 0 <= value <= 1 else value
    return None
