"""The data of a row of a thread's history: a `Checkpoint` or a `TaskWrites`, in few bytes. Pure.

A row is `[protocol version, code, names, ...]`. What it holds is checked as any message is. A row in the plain form of
messages is read too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drumline_graph.constants import PULL
from drumline_graph.superstep import path_key_of
from drumline_protocol import wire
from drumline_protocol.checkpoints import Checkpoint, Save, TaskWrites, split_ns
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.ids import task_id
from drumline_protocol.packed_rows import (
    Names,
    packed_hex,
    packed_id,
    packed_path,
    packed_source,
    unpacked_hex,
    unpacked_id,
    unpacked_path,
    unpacked_source,
)

#: codes of the packed forms
_CHECKPOINT, _WRITES = "c", "w"


def row_data(codec: Codec, save: Save) -> bytes:
    """A checkpoint, or what a task has written, as the data of a row. EncodeError."""
    packed = _packed_checkpoint(save) if isinstance(save, Checkpoint) else _packed_writes(save)
    return codec.encode([codec.version, packed])


def save_in(codec: Codec, data: bytes) -> Save:
    """What a row holds. DecodeError."""
    row = wire.opened(codec, data)[1]
    if type(row) is list and row and row[0] in (_CHECKPOINT, _WRITES):
        try:
            row = _checkpoint_row(*row[1:]) if row[0] == _CHECKPOINT else _writes_row(*row[1:])
        except (TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
            raise DecodeError(f"a row of a thread's history is malformed: {error}", len(data)) from error
    found = wire.from_row(row)
    if isinstance(found, (Checkpoint, TaskWrites)):
        return found
    raise DecodeError(f"the history of a thread holds a {type(found).__name__}", len(data))


# -- checkpoints --------------------------------------------------------------------------------------


def _packed_checkpoint(save: Checkpoint) -> list[Any]:
    if save.kept:
        save = replace(save, cells={name: cell for name, cell in save.cells.items() if name not in save.kept})
    names = Names()
    packed = [
        packed_id(save.id),
        save.ns,
        packed_id(save.parent),
        packed_source(save.source),
        save.step,
        save.at_ms,
        names.packed(save.cells),
        names.packed(save.versions),
        names.packed({node: names.packed(seen) for node, seen in save.seen.items()}),
        None if save.updated is None else list(map(names.number, save.updated)),
        [part for task in save.tasks for part in _packed_task(save, task, names)],
        save.parents,
        save.metadata,
        packed_hex(save.fingerprint),
        names.packed(save.kept),
        [list(each) for each in save.held],
    ]
    return [_CHECKPOINT, names.said, *packed]


def _packed_task(save: Checkpoint, task: Any, names: Names) -> list[Any]:
    own = task_id(save.id, split_ns(save.ns), save.step + 1, path_key_of(task.path))
    return [
        0 if task.id == own else task.id,
        names.number(task.name),
        packed_path(task.path, task.name),
        list(map(names.number, task.triggers)),
        task.arg,
        task.hidden,
    ]


def _checkpoint_row(
    said: list[Any],
    id_: Any,
    ns: str,
    parent: Any,
    source: Any,
    step: int,
    at_ms: float,
    cells: list[Any],
    versions: list[Any],
    seen: list[Any],
    updated: list[int] | None,
    tasks: list[Any],
    parents: Any,
    metadata: Any,
    fingerprint: Any,
    kept: list[Any],
    held: Any,
    *_newer: Any,
) -> list[Any]:
    names, id_ = Names(said), unpacked_id(id_)
    return [
        _CODES[Checkpoint],
        id_,
        ns,
        unpacked_id(parent),
        unpacked_source(source),
        step,
        at_ms,
        names.unpacked(cells),
        names.unpacked(versions),
        {node: names.unpacked(inner) for node, inner in names.unpacked(seen).items()},
        None if updated is None else [names.all[n] for n in updated],
        [_task_row(id_, ns, step, names.all, *tasks[i : i + 6]) for i in range(0, len(tasks), 6)],
        parents,
        metadata,
        unpacked_hex(fingerprint),
        names.unpacked(kept),
        held,
    ]


def _task_row(
    checkpoint: str,
    ns: str,
    step: int,
    names: list[str],
    id_: Any,
    name: int,
    path: Any,
    triggers: list[int],
    arg: Any,
    hidden: Any,
) -> list[Any]:
    path = list(unpacked_path(path, names[name]))
    if type(id_) is int:
        id_ = task_id(checkpoint, split_ns(ns), step + 1, path_key_of(tuple(path)))
    return [id_, names[name], path, [names[n] for n in triggers], arg, hidden]


# -- what tasks have written --------------------------------------------------------------------------


def _packed_writes(save: TaskWrites) -> list[Any]:
    return [
        _WRITES,
        save.ns,
        packed_id(save.checkpoint),
        packed_id(save.task),
        [list(write) for write in save.writes],
        _packed_writer(save.path),
        [list(each) for each in save.held],
    ]


def _packed_writer(path: Any) -> Any:
    """The path of a task that has written: of most the name of the node, or the number of the Send behind it."""
    name = path[1] if len(path) > 1 and type(path[1]) is str else ""
    packed = packed_path(path, name)
    return name if packed == 0 and name else list(path) if packed is path else packed


def _unpacked_writer(stored: Any) -> Any:
    if type(stored) is str:
        return [PULL, stored]
    return list(unpacked_path(stored, ""))


def _writes_row(ns: Any, checkpoint: Any, task: Any, writes: Any, path: Any, held: Any, *_newer: Any) -> list[Any]:
    return [_CODES[TaskWrites], ns, unpacked_id(checkpoint), unpacked_id(task), writes, _unpacked_writer(path), held]


_CODES = wire.codes_of(Checkpoint, TaskWrites)
