"""What a row says of a checkpoint, as bytes: names once, the rest as numbers. Pure.

A thread has a checkpoint for each superstep, so what each of them says is most of what a talk of short turns takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_graph.constants import PULL
from drumline_protocol.checkpoints import FORK, INPUT, LOOP, UPDATE
from drumline_protocol.codec import Codec

#: facts have no class of the user's
_PLAIN = Codec()

#: by number: never changed, only added to
_SOURCES = (INPUT, LOOP, UPDATE, FORK)
_ALWAYS = frozenset(("source", "step", "at", "versions", "seen"))
_FIELDS = (*sorted(_ALWAYS), "parents", "updated", "tasks", "fingerprint")


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """The bytes of what a row says of a checkpoint; of one that LangGraph has put, as they are."""
    if not (_ALWAYS <= facts.keys() <= set(_FIELDS)):
        return _PLAIN.encode(dict(facts), "checkpoint")
    names: dict[str, int] = {}

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    def numbered(versions: Mapping[str, Any]) -> list[Any]:
        return [part for name, version in versions.items() for part in (number(name), version)]

    source = facts["source"]
    updated, tasks = facts.get("updated"), facts.get("tasks")
    packed = [
        _SOURCES.index(source) if source in _SOURCES else source,
        facts["step"],
        facts["at"],
        numbered(facts["versions"]),
        [part for node, seen in facts["seen"].items() for part in (number(node), numbered(seen))],
        None if updated is None else list(map(number, updated)),
        None if tasks is None else [part for task in tasks for part in _task_out(task, number)],
        facts.get("parents"),
        facts.get("fingerprint"),
    ]
    while packed[-1] is None:
        packed.pop()
    return _PLAIN.encode([list(names), *packed], "checkpoint")


def decode_facts(data: bytes) -> dict[str, Any]:
    """The facts in these bytes. DecodeError."""
    found = _PLAIN.decode(data)
    if type(found) is dict:
        return found
    return _unpacked(*found)


def _unpacked(
    names: list[str],
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
    def named(numbers: list[Any]) -> dict[str, Any]:
        return {names[n]: version for n, version in zip(numbers[::2], numbers[1::2], strict=True)}

    facts: dict[str, Any] = {
        "source": _SOURCES[source] if type(source) is int else source,
        "step": step,
        "at": at,
        "versions": named(versions),
        "seen": {node: named(inner) for node, inner in named(seen).items()},
    }
    if parents is not None:
        facts["parents"] = parents
    if updated is not None:
        facts["updated"] = [names[n] for n in updated]
    if tasks is not None:
        parts = [tasks[i : i + 4] for i in range(0, len(tasks), 4)]
        facts["tasks"] = [_task_in(names, *each) for each in parts]
    if fingerprint is not None:
        facts["fingerprint"] = fingerprint
    return facts


def _task_out(task: list[Any], number: Any) -> list[Any]:
    name, path, triggers, hidden = task
    is_pull = type(path) is tuple and path == (PULL, name)
    return [number(name), 0 if is_pull else path, list(map(number, triggers)), hidden]


def _task_in(names: list[str], name: int, path: Any, triggers: list[int], hidden: bool) -> list[Any]:
    found = names[name]
    return [found, (PULL, found) if path == 0 else path, tuple(names[n] for n in triggers), hidden]
