"""A `Retention` as people write it in options, files and `langgraph.json`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drumline_protocol.retention import LATEST, NONE, Retention

_FORM = "max_age=30d,max_checkpoints=100,max_bytes=1000000,keep=latest"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")

#: what LangGraph's strategies leave of a thread that is too old
_STRATEGIES = {"delete": NONE, "keep_latest": LATEST}


def retention_of(given: Any) -> Retention:
    """The rules in a text (`max_age=30d,keep=latest`), or in a table of the same keys. ValueError says what is wrong.

    An age is in seconds, or has a unit: `s`, `m`, `h` or `d`.
    """
    found = dict(given) if isinstance(given, Mapping) else _pairs(str(given))
    unknown = found.keys() - {"max_age", "max_checkpoints", "max_bytes", "keep"}
    if unknown or not found:
        raise ValueError(f"{given!r} is no retention: it is written as {_FORM}")
    for name in ("max_checkpoints", "max_bytes"):
        if isinstance(found.get(name), str):
            found[name] = int(found[name]) if found[name].isdecimal() else -1
    if isinstance(found.get("max_age"), str):
        found["max_age"] = _seconds(found["max_age"])
    return Retention(**found)


def text_of(retention: Retention) -> str:
    """The text that `retention_of` reads."""
    return ",".join(f"{name}={value}" for name, value in retention.as_dict().items())


def _pairs(text: str) -> dict[str, Any]:
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _seconds(text: str) -> float:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"an age is a number with s, m, h or d, as in 30d, and not {text!r}")
    return float(found[1]) * _UNITS.get(found[2], 1)


def rules_of_ttl(ttl: Any) -> tuple[Retention | None, int | None]:
    """What `checkpointer.ttl` of a langgraph.json asks for: rules (None: none), and milliseconds between two looks
    (None: it says nothing). ValueError says what is wrong.
    """
    if not isinstance(ttl, Mapping):
        raise ValueError(f"it is {ttl!r}, and must be an object")
    strategy, minutes, every = ttl.get("strategy", "delete"), ttl.get("default_ttl"), ttl.get("sweep_interval_minutes")
    if strategy not in _STRATEGIES:
        raise ValueError(f"strategy is {strategy!r}, and must be one of {', '.join(_STRATEGIES)}")
    for name, value in (("default_ttl", minutes), ("sweep_interval_minutes", every)):
        if value is not None and (type(value) not in (int, float) or not value > 0):
            raise ValueError(f"{name} is {value!r}, and must be a number of minutes")
    rules = None if minutes is None else Retention(max_age=minutes * 60.0, keep=_STRATEGIES[strategy])  # type: ignore[arg-type]
    return rules, None if every is None else int(every * 60_000)
