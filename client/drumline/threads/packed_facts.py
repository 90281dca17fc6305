"""What a row says of a checkpoint, as bytes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline.threads.encoder import PLAIN
from drumline_protocol.packed_rows import (
    Names,
    packed_path,
    packed_source,
    unpacked_path,
    unpacked_source,
)

_ALWAYS = frozenset(("source", "step", "at", "versions", "seen"))
_KNOWN = _ALWAYS | {"parents", "updated", "tasks", "fingerprint"}


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """The bytes of what a row says of a checkpoint; of one that LangGraph has put, as it was put."""
    if not (_ALWAYS <= facts.keys() <= _KNOWN):
        return PLAIN.encode(dict(facts), "checkpoint")
    names = Names()
    updated, tasks = facts.get("updated"), facts.get("tasks")
    packed = [
        packed_source(facts["source"]),
        facts["step"],
        facts["at"],
        names.packed(facts["versions"]),
        names.packed({node: names.packed(seen) for node, seen in facts["seen"].items()}),
        None if updated is None else list(map(names.number, updated)),
        None if tasks is None else [part for task in tasks for part in _task_out(task, names)],
        facts.get("parents"),
        facts.get("fingerprint"),
    ]
    while packed[-1] is None:
        packed.pop()
    return PLAIN.encode([names.said, *packed], "checkpoint")


def decode_facts(data: bytes) -> dict[str, Any]:
    """The facts in these bytes. DecodeError."""
    found = PLAIN.decode(data)
    if type(found) is dict:
        return found
    return _unpacked(*found)


def _unpacked(
    said: list[Any],
    source: Any,
    step: int,
    at: float,
    versions: list[Any],
    seen: list[Any],
    updated: list[int] | None = None,
    tasks: list[Any] | None = None,
    parents: Any = None,
    fingerprint: str | None = None,
) -> dict[str, Any]:
    names = Names(said)
    facts: dict[str, Any] = {
        "source": unpacked_source(source),
        "step": step,
        "at": at,
        "versions": names.unpacked(versions),
        "seen": {node: names.unpacked(inner) for node, inner in names.unpacked(seen).items()},
    }
    if parents is not None:
        facts["parents"] = parents
    if updated is not None:
        facts["updated"] = [names.all[n] for n in updated]
    if tasks is not None:
        parts = [tasks[i : i + 4] for i in range(0, len(tasks), 4)]
        facts["tasks"] = [_task_in(names.all, *each) for each in parts]
    if fingerprint is not None:
        facts["fingerprint"] = fingerprint
    return facts


def _task_out(task: list[Any], names: Names) -> list[Any]:
    name, path, triggers, hidden = task
    return [names.number(name), packed_path(path, name), list(map(names.number, triggers)), hidden]


def _task_in(names: list[str], name: int, path: Any, triggers: list[int], hidden: bool) -> list[Any]:
    return [names[name], unpacked_path(path, names[name]), tuple(names[n] for n in triggers), hidden]
