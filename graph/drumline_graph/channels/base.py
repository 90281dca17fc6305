"""What every channel spec promises.

A channel is a named cell of the state with a rule for merging writes. Specs hold no values: the value of a channel is a
*cell*, plain data kept by `drumline_graph.superstep.State`, so that a run can be stored, sent and forked without asking
the spec. No method changes a cell or a write in place, or lets a user's reducer do so.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final


class _Sentinel(Enum):
    MISSING = "MISSING"
    UNCHANGED = "UNCHANGED"

    def __repr__(self) -> str:
        return self.value

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Sentinel.MISSING
"""The cell of a channel that holds nothing: never written, or cleared."""

UNCHANGED: Final = _Sentinel.UNCHANGED
"""Returned by `update()` when the writes left the channel as it was: no new version is counted."""


class Channel:
    """Base spec: a channel that starts empty and whose cell is the value itself."""

    kind: str = "channel"
    volatile: bool = False
    consumable: bool = False
    finishing: bool = False
    plain: bool = True
    """Whether every cell but MISSING is available and is the value nodes read."""
    user_made: bool = False
    """Whether its class is a user's: then it is called through `merged`, which gives it private copies."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.user_made = not cls.__module__.startswith("drumline_graph.")

    def initial(self) -> Any:
        """Cell of a fresh run, or MISSING."""
        return MISSING

    def update(self, cell: Any, values: list[Any]) -> Any:
        """New cell after a superstep's writes (in task order, never empty), or UNCHANGED.

        Raises InvalidUpdateError when the channel cannot take them. The text does not name the channel: `apply()` adds
        that.
        """
        raise NotImplementedError

    def expire(self, cell: Any) -> Any:
        """Cell after a superstep that did not write this channel; the same object if unchanged."""
        return cell

    def consume(self, cell: Any) -> Any:
        """Cell after a node triggered by this channel ran; the same object if unchanged."""
        return cell

    def finish(self, cell: Any) -> Any:
        """Cell once nothing else would run (this releases deferred nodes); the same object if unchanged."""
        return cell

    def available(self, cell: Any) -> bool:
        """Whether a node would see this channel: only then can it trigger or be read."""
        return cell is not MISSING

    def read(self, cell: Any) -> Any:
        """The value nodes see in an available cell."""
        return cell

    def signature(self) -> tuple[Any, ...]:
        """What makes two specs of this kind equal, as stable text: part of the graph's fingerprint."""
        return (self.kind,)
