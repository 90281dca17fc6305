"""What this process has read of threads, so that the next run on one reads what was added since.

A run begins with the whole state. Most runs of a talk come one after the other in one process, so the values of the
last one are kept, decoded and untouched, from the second time on that a thread is read; each reader gets a clone of its
own (`drumline_protocol.pristine`). What a run begins with comes from the store all the same: a version that another
process has added is read like one of ours, and one that was not kept after all is never named. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline.threads.rows import Kept
from drumline_graph.delta import Change
from drumline_protocol.cells import joined
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.pristine import NotPlain, Pristine


class Unseen(Exception):
    """What was seen of a cell does not help: it is of another branch, or cannot be cloned. Read all from its base."""


@dataclass(frozen=True, slots=True)
class SeenCell:
    """A cell at the version of checkpoint `made`. `pristine` is None if it was read once, or is not cloned."""

    made: str
    size: int = 0
    pristine: Pristine | None = None
    is_plain: bool = True

    @property
    def weight(self) -> int:
        """About how many bytes of memory the value takes."""
        return 0 if self.pristine is None else self.pristine.weight(self.size)

    def after(self, changes: Sequence[Change], cell: Kept) -> SeenCell:
        """The cell after changes, which belong to nobody else. Unseen if it cannot be cloned then, DecodeError."""
        assert self.pristine is not None
        try:
            pristine = self.pristine.after([*joined(changes)])
        except NotPlain as error:
            raise Unseen(cell.made) from error
        except (TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
            raise DecodeError(f"a delta does not fit the value that it changes: {error}") from error
        return SeenCell(cell.made, cell.bytes, pristine)


#: the codec that has read them, thread and namespace
Place = tuple[Codec, str, str]


@dataclass(slots=True)
class Look:
    """One look at the cells of one namespace: what was seen of them before, and what is seen now."""

    place: Place
    before: Mapping[str, SeenCell] = field(default_factory=dict)
    now: dict[str, SeenCell] = field(default_factory=dict)
    #: values that weigh more are not kept
    weight_max: int = 0

    @property
    def known(self) -> dict[str, str]:
        """The versions behind which rows are to be read, by channel."""
        return {channel: cell.made for channel, cell in self.before.items() if cell.pristine is not None}

    def value(self, channel: str, cell: Kept, value: Any) -> Any:
        """A value that was read from its base: what its reader gets."""
        before = self.before.get(channel)
        if before is None or not before.is_plain or cell.bytes > self.weight_max:
            self.now[channel] = SeenCell(cell.made, is_plain=before is None or before.is_plain)
            return value
        try:
            seen = SeenCell(cell.made, cell.bytes, Pristine(value))
        except NotPlain:
            seen = SeenCell(cell.made, is_plain=False)
        if seen.pristine is None or seen.weight > self.weight_max:
            self.now[channel] = SeenCell(cell.made, is_plain=False)
            return value
        self.now[channel] = seen
        return seen.pristine.clone()
