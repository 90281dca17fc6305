"""What a router is called with: the state as its own node's writes alone would leave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drumline_graph.channels.base import MISSING, UNCHANGED
from drumline_graph.channels.private import merged
from drumline_graph.errors import InvalidUpdateError
from drumline_graph.merges import Merges
from drumline_graph.program import Branch, Program


def fresh_cells(
    program: Program,
    cells: Mapping[str, Any],
    writes: Iterable[tuple[str, Any]],
    keys: Iterable[str],
    merges: Merges | None = None,
) -> dict[str, Any]:
    """Cells of `keys` after a superstep in which only these writes were made.

    `cells` needs to hold no more than `keys`; nothing of it is changed, whatever a reducer does. Values that live for
    one superstep are gone, as in LangGraph. `merges` keeps what the commit can use. Raises InvalidUpdateError when a
    channel cannot take the writes.
    """
    wanted: dict[str, list[Any]] = {key: [] for key in keys if key in program.channels}
    for key, value in writes:
        if key in wanted:
            wanted[key].append(value)
    fresh: dict[str, Any] = {}
    for key, values in wanted.items():
        channel, cell = program.channels[key], cells.get(key, MISSING)
        if values:
            if merges is not None and (known := merges.find(key, cell, values)) is not MISSING:
                fresh[key] = list(known)  # another router was shown it
                continue
            try:
                updated = merged(channel, cell, values)
            except InvalidUpdateError as error:
                raise InvalidUpdateError(f"At key {key!r}, read by a router: {error}") from error
            if merges is not None:
                updated = merges.keep(key, channel, cell, values, updated)
            cell = cell if updated is UNCHANGED else updated
        elif channel.volatile and cell is not MISSING:
            cell = channel.expire(cell)
        if cell is not MISSING:
            fresh[key] = cell
    return fresh


def router_input(
    program: Program,
    branch: Branch,
    cells: Mapping[str, Any],
    writes: Iterable[tuple[str, Any]],
    result: Any,
    *,
    step: int = 0,
    stop: int = 0,
    merges: Merges | None = None,
) -> Any:
    """The value to call `branch.path` with, for a task that returned `result` and made `writes`.

    An instance of the router's schema, or a dict, or the bare value of an unkeyed state (None if it was never written).
    Extra keys of a returned dict are visible to routers without annotation (LangGraph's quirk); state keys win over
    them. Managed values are computed from `step` and `stop`; `merges` as in `fresh_cells`.
    """
    keys = branch.input_keys
    if isinstance(keys, str):
        return _readable(program, fresh_cells(program, cells, writes, [keys], merges)).get(keys)
    values = _readable(program, fresh_cells(program, cells, writes, keys, merges))
    for key in keys:
        manager: Any = program.managed.get(key)
        if manager is not None and key not in program.channels:
            values[key] = manager.get(step, stop)
    if branch.mapper is not None:
        return branch.mapper(values)
    if branch.plain_dict and isinstance(result, dict):
        return {**result, **values}
    return values


def _readable(program: Program, cells: dict[str, Any]) -> dict[str, Any]:
    channels = program.channels
    return {key: channels[key].read(cell) for key, cell in cells.items() if channels[key].available(cell)}
