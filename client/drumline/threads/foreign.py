"""Cells as LangGraph's checkpoints hold them, and back. Pure; control values inside are others' business.

| channel | drumline's cell | LangGraph's value |
|---|---|---|
| list edge | sorted tuple of the names seen, nothing once it fired | set of them, also empty |
| list edge into a deferred node | `(names, finished)` | the same with a set |
| `Topic`, also that of `Send`s | list, nothing if it is empty | list, also empty |
| all others | the value | the same |

Versions are whole numbers here. LangGraph's savers have numbers or texts; only their order counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drumline_graph.channels import NamedBarrierValue, NamedBarrierValueAfterFinish, Topic, UntrackedValue
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import JOIN_PREFIX, TASKS
from drumline_graph.program import Program
from drumline_protocol.checkpoints import made_by


def shown_values(cells: Mapping[str, Any], versions: Iterable[str], program: Program | None = None) -> dict[str, Any]:
    """The values of a checkpoint as LangGraph shows them: those of channels that were ever written."""
    values: dict[str, Any] = {}
    for channel in versions:
        cell = cells.get(channel, MISSING)
        spec = None if program is None else program.channels.get(channel)
        if channel.startswith(JOIN_PREFIX):
            values[channel] = _shown_join(cell, isinstance(spec, NamedBarrierValueAfterFinish))
        elif cell is not MISSING:
            values[channel] = cell
        elif channel == TASKS or isinstance(spec, Topic):
            values[channel] = []
    return values


def _shown_join(cell: Any, finishes: bool) -> Any:
    if cell is MISSING:
        return (set(), False) if finishes else set()
    if len(cell) == 2 and isinstance(cell[0], (tuple, list)):
        return set(cell[0]), bool(cell[1])
    return set(cell)


def taken_cells(
    values: Mapping[str, Any], versions: Mapping[str, Any], program: Program, fingerprint: str = ""
) -> dict[str, Any]:
    """The cells of a graph out of what a checkpoint holds: channels that it does not have are left out, and those
    that the checkpoint does not know begin as in a new run.

    `fingerprint` is what the checkpoint has of its graph's: of another version `migrate` is to see all channels.
    """
    cells: dict[str, Any] = {}
    if program.migrate is not None and not made_by(fingerprint, program.fingerprint):
        cells = {name: value for name, value in values.items() if name not in program.channels}
    for name, spec in program.channels.items():
        value = values.get(name, MISSING)
        if value is MISSING:
            cell = spec.initial() if name not in versions and not isinstance(spec, UntrackedValue) else MISSING
        elif isinstance(spec, NamedBarrierValueAfterFinish):
            cell = (tuple(sorted(value[0])), bool(value[1])) if value[0] else MISSING
        elif isinstance(spec, NamedBarrierValue):
            cell = tuple(sorted(value)) or MISSING
        elif isinstance(spec, Topic):
            cell = list(value) or MISSING
        else:
            cell = value
        if cell is not MISSING:
            cells[name] = cell
    return cells


def ranks(versions: Mapping[str, Any], seen: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """All versions of a checkpoint in their order; the number of one here is its place, from 1 on."""
    found = set(versions.values())
    found.update(version for of_node in seen.values() for version in of_node.values())
    return sorted(version for version in found if version)
