"""What coordinators and workers say of themselves, read by somebody who does not trust it. Pure.

The hashes lie in Redis, where any program may write. So what is not as it should be is left out, and nothing raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drumline_protocol.limits import PRESENCE_BYTES_MAX, PRESENCE_TTL_MS


@dataclass(slots=True)
class Presence:
    """One member: what it said, and how long ago."""

    name: str
    age_ms: int
    pools: list[str]
    #: graph name -> fingerprint
    graphs: dict[str, str]
    partitions: list[int]
    running: int
    concurrency: int
    host: str
    pid: int

    @property
    def is_alive(self) -> bool:
        """Whether it has been heard of lately."""
        return self.age_ms <= PRESENCE_TTL_MS


def presences(rows: Mapping[str, tuple[bytes, int]]) -> list[Presence]:
    """The members that `LookVerbs.members` found, by name."""
    return [_presence(name, info, age_ms) for name, (info, age_ms) in sorted(rows.items())]


def _presence(name: str, info: bytes, age_ms: int) -> Presence:
    said = _said(info)
    return Presence(
        name=printable(name),
        age_ms=age_ms,
        pools=[printable(pool) for pool in _list(said.get("pools")) if isinstance(pool, str)],
        graphs=_graphs(said.get("graphs")),
        partitions=[p for p in _list(said.get("partitions")) if _is_count(p)],
        running=_count(said.get("running")),
        concurrency=_count(said.get("concurrency")),
        host=_text(said.get("host")),
        pid=_count(said.get("pid")),
    )


def printable(text: str) -> str:
    """Text that any terminal and any encoding takes: what is no character, or steers a terminal, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _said(info: bytes) -> dict[str, Any]:
    if len(info) > PRESENCE_BYTES_MAX:
        return {}
    try:
        said = json.loads(info)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, nested without end
        return {}
    return said if isinstance(said, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _graphs(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        return {printable(name): "" for name in value if isinstance(name, str)}
    if not isinstance(value, dict):
        return {}
    return {printable(name): held if isinstance(held, str) else "" for name, held in value.items()}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> int:
    return value if _is_count(value) else 0


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) else ""
