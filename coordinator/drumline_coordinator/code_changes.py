"""Threads whose graph has changed since a checkpoint was made: whether it can go on from there, and with what state.

A checkpoint holds the beginning of the fingerprint of its graph. If that is the graph's own, nothing here costs more
than comparing two texts. If it is another, the graph's `migrate` makes the new state of the old one; and then the nodes
that are to run must be there, and the cells of the graph's keys readable. A checkpoint without a fingerprint was
written through a saver of LangGraph's, which has no place for one. Pure but for the user's function.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from drumline_graph.channels import UntrackedValue
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import BRANCH_PREFIX, JOIN_PREFIX, START, TASKS
from drumline_graph.program import Program
from drumline_graph.types import Send
from drumline_protocol.checkpoints import Checkpoint, Saved, fingerprint_kept, made_by, outcomes
from drumline_protocol.codec_types import Opaque
from drumline_protocol.errors import ThreadMismatch

#: values of these types are told apart by what a reducer can add to them
_FAMILIES = ((list, tuple), (dict,), (set, frozenset), (str,), (bytes,), (bool, int, float, complex))

#: values within one cell that are looked at
_LOOKS_MAX = 100_000


def is_of(program: Program, checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint was made by this very version of its graph."""
    return made_by(checkpoint.fingerprint, program.fingerprint)


def fitted(program: Program, saved: Saved) -> Saved:
    """A checkpoint as this version of its graph begins from it: migrated, without the keys that the graph does not
    have, and with the first values of those that are new.

    Raises what `migrate` raises, TypeError if that gives no dict.
    """
    checkpoint = saved.checkpoint
    if is_of(program, checkpoint) or not checkpoint.versions:
        return saved
    cells, versions, kept = dict(checkpoint.cells), dict(checkpoint.versions), dict(checkpoint.kept)
    if program.migrate is not None:
        _migrate(program, fingerprint_kept(checkpoint.fingerprint), cells, versions, kept)
    channels = program.channels
    cells = {name: cell for name, cell in cells.items() if name in channels}
    for name, channel in channels.items():
        if name not in versions and not isinstance(channel, UntrackedValue):
            cell = channel.initial()
            if cell is not MISSING:
                cells[name] = cell
    kept = {name: how for name, how in kept.items() if name in channels}
    saved.checkpoint = replace(checkpoint, cells=cells, versions=versions, kept=kept)
    return saved  # the same object: its reader may have to rename questions in it


def _migrate(program: Program, was: str, cells: dict[str, Any], versions: dict[str, int], kept: dict[str, Any]) -> None:
    """Put what `migrate` makes of the state in its place, as one change from outside would."""
    values = {name: _copied(_shown(program, name, cell)) for name, cell in cells.items() if not _is_internal(name)}
    root = program.stream_keys if isinstance(program.stream_keys, str) else None
    made = _called(program, values if root is None else values.get(root), was)
    if root is not None:
        made = {root: made}
    elif not isinstance(made, Mapping):
        raise TypeError(
            f"migrate= of graph {program.name!r} must return the new values of the state as a dict by key, and "
            f"returned a {type(made).__name__}"
        )
    version = max(versions.values(), default=0) + 1
    for name in [name for name in cells if not _is_internal(name)]:
        if name not in made:
            del cells[name]
            kept.pop(name, None)
    for name in made:
        if name in program.state_keys:
            cells[name], versions[name] = made[name], version
            kept.pop(name, None)


def _called(program: Program, values: Any, was: str) -> Any:
    assert program.migrate is not None
    try:
        return program.migrate(*((values, was) if _takes_two(program.migrate) else (values,)))
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # it may run in a coordinator, which serves others too
        raise RuntimeError(f"migrate= of graph {program.name!r} raised {type(error).__name__}: {error}") from error


def _takes_two(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 or any(each.kind == each.VAR_POSITIONAL for each in parameters)


def _shown(program: Program, name: str, cell: Any) -> Any:
    channel = program.channels.get(name)
    return cell if channel is None or channel.plain or not channel.available(cell) else channel.read(cell)


def _copied(value: Any) -> Any:
    """A copy that may be changed in place; the value itself, if it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def _is_internal(name: str) -> bool:
    return name in (START, TASKS) or name.startswith((BRANCH_PREFIX, JOIN_PREFIX))


# -- whether it can go on -----------------------------------------------------------------------------


def check(program: Program, saved: Saved, thread: str, *, resumes: bool) -> str:
    """A note for people, if another version of the graph takes up what one has left; "" else.

    `saved` was `fitted`. `resumes`: the superstep behind it runs; else only the state counts. ThreadMismatch.
    """
    checkpoint = saved.checkpoint
    if is_of(program, checkpoint):
        return ""
    found = faults(program, saved, resumes=resumes)
    if found:
        raise ThreadMismatch(
            program.name, program.fingerprint, [checkpoint.fingerprint], thread, checkpoint.ns, checkpoint.id, found
        )
    if not (resumes and checkpoint.fingerprint and checkpoint.tasks):
        return ""
    waiting = ", ".join(sorted({task.name for task in checkpoint.tasks}))
    return (
        f"thread {thread!r} was left at checkpoint {checkpoint.id} by version "
        f"{fingerprint_kept(checkpoint.fingerprint)} of graph {program.name!r}, and version "
        f"{fingerprint_kept(program.fingerprint)} goes on with it at {waiting}"
    )


def faults(program: Program, saved: Saved, *, resumes: bool) -> list[str]:
    """Why this version of a graph cannot go on from a checkpoint: texts that name nodes and fields. Empty: it can."""
    found = [f"field {name!r} {why}" for name, why in _unreadable(program, saved.checkpoint)]
    if resumes:
        missing = sorted({name for name in _due(saved) if name not in program.nodes and name != START})
        found = [f"node {name!r} is to run next, and the graph has none of that name" for name in missing] + found
    return found


def _due(saved: Saved) -> Iterator[str]:
    """The nodes that the superstep behind a checkpoint, or its results, say are to run."""
    checkpoint = saved.checkpoint
    done = {task for task, outcome in outcomes(saved.pending).items() if outcome.has_ended}
    if checkpoint.fingerprint:
        yield from (task.name for task in checkpoint.tasks if task.id not in done)
    else:  # its tasks are those that the graph of today plans
        yield from _targets(checkpoint.updated or (), checkpoint.cells.get(TASKS) or ())
    for _, channel, value in saved.pending:
        yield from _targets((channel,), value if isinstance(value, (list, tuple)) else (value,))


def _targets(channels: Iterable[str], sends: Iterable[Any]) -> Iterator[str]:
    yield from (name[len(BRANCH_PREFIX) :] for name in channels if name.startswith(BRANCH_PREFIX))
    yield from (send.node for send in sends if isinstance(send, Send))


def _unreadable(program: Program, checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    for name, cell in checkpoint.cells.items():
        channel = program.channels.get(name)
        if channel is None or _is_internal(name):
            continue
        unknown = _unknown_class(cell)
        if unknown:
            yield name, f"holds an object of class {unknown}, which the graph does not name, or which has other fields"
            continue
        empty = channel.initial()
        family, there = _family(empty), _family(cell)
        if empty is not MISSING and family is not None and there is not None and family is not there:
            yield name, f"holds a {type(cell).__name__}, and its reducer begins with a {type(empty).__name__}"


def _family(value: Any) -> tuple[type, ...] | None:
    return next((family for family in _FAMILIES if type(value) in family), None)


def _unknown_class(value: Any) -> str:
    """The class of an object somewhere in a value that could not be built; "" if there is none."""
    waiting, looked = [value], 0
    while waiting and looked < _LOOKS_MAX:
        looked += 1
        each = waiting.pop()
        if type(each) is Opaque:
            return each.tag
        if isinstance(each, Mapping):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting += each
        elif is_dataclass(each):
            waiting += [getattr(each, name, None) for name in getattr(each, "__dataclass_fields__", ())]
        elif hasattr(type(each), "model_fields"):
            waiting += list(vars(each).values())
    return ""
