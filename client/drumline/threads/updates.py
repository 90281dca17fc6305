"""Updates of a thread's state, as a caller gives them and is told of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from drumline_graph.types import StateUpdate

#: what a config that names a checkpoint says
_NAMES = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def checked(supersteps: Sequence[Sequence[Any]]) -> list[list[StateUpdate]]:
    """The updates of each superstep. ValueError for none."""
    if not supersteps:
        raise ValueError("No supersteps provided")
    if not all(supersteps):
        raise ValueError("No updates provided")
    return [[StateUpdate(*update) for update in updates] for updates in supersteps]


def place_of_update(checkpoints: Iterable[Any]) -> dict[str, Any]:
    """The config of the last of these checkpoints, which are items of the mode `checkpoints`."""
    config: dict[str, Any] = list(checkpoints)[-1]["config"]["configurable"]
    return {"configurable": {key: config[key] for key in _NAMES if key in config}}
