"""What of a thread may go: the rules of a user, and which checkpoints they leave. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Literal, NamedTuple

#: what stays, whatever the bounds say
LATEST, INTERRUPTED, ALL, NONE = "latest", "interrupted", "all", "none"
KEEPS = (LATEST, INTERRUPTED, ALL, NONE)


@dataclass(frozen=True, slots=True)
class Retention:
    """How much of a thread is kept: checkpoints that are younger than `max_age` (seconds, or a timedelta), at most
    `max_checkpoints` of them, in about `max_bytes`. None: no bound. The newest come first.

    `keep` says what stays although it is too old: `"latest"` the newest checkpoint of each thread, `"interrupted"` that
    of threads which wait for an answer or have failed, `"none"` nothing. A thread of which nothing stays is deleted.
    With `"all"` everything stays. ValueError for bounds that are none.
    """

    max_age: float | timedelta | None = None
    max_checkpoints: int | None = None
    max_bytes: int | None = None
    keep: Literal["latest", "interrupted", "all", "none"] = "latest"

    def __post_init__(self) -> None:
        if self.keep not in KEEPS:
            raise ValueError(f"keep is one of {', '.join(map(repr, KEEPS))}, not {self.keep!r}")
        for name in ("max_age", "max_checkpoints", "max_bytes"):
            value = self.seconds if name == "max_age" else getattr(self, name)
            wanted = (int, float) if name == "max_age" else (int,)
            if value is not None and (type(value) not in wanted or not value > 0):
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)!r}")

    @property
    def seconds(self) -> float | None:
        """`max_age` in seconds."""
        return self.max_age.total_seconds() if isinstance(self.max_age, timedelta) else self.max_age

    @property
    def is_bounded(self) -> bool:
        """Whether anything may ever go."""
        return self.keep != ALL and not self.max_age is self.max_checkpoints is self.max_bytes is None

    def spares_latest(self, *, waits: bool) -> bool:
        """Whether the newest checkpoint of a thread stays however old it is. `waits`: the thread can be resumed."""
        return self.keep in (LATEST, ALL) or (self.keep == INTERRUPTED and waits)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        values = {**{each.name: getattr(self, each.name) for each in fields(self)}, "max_age": self.seconds}
        return {name: value for name, value in values.items() if value is not None}


#: `prune(strategy="keep_latest")`
KEEP_LATEST = Retention(max_checkpoints=1)


def retention_in(found: Any) -> Retention | None:
    """What `as_dict` gave; None for an empty dict. ValueError for anything else."""
    if not isinstance(found, Mapping) or not found.keys() <= {each.name for each in fields(Retention)}:
        raise ValueError(f"{found!r} is no retention: a dict of {', '.join(each.name for each in fields(Retention))}")
    return Retention(**found) if found else None


class Base(NamedTuple):
    """Where a large value lies: a cell of a namespace, from one base on."""

    cell: str
    base: Any


@dataclass(slots=True)
class Piece:
    """One checkpoint, as far as retention looks at it. `root` is the checkpoint of the root graph that it was made
    under (its own id in the root's namespace), `bytes` what it takes by itself, `stands_on` what there is of each large
    value that it names, up to it.
    """

    ns: str
    id: str
    root: str
    at_ms: float
    bytes: int
    stands_on: dict[Base, int] = field(default_factory=dict)


def kept_pieces(
    pieces: Sequence[Piece], retention: Retention, now_ms: float, *, waits: bool
) -> set[tuple[str, str]] | None:
    """Namespace and id of each checkpoint that stays; None if the whole thread goes. `waits`: it can be resumed.

    Graphs within stay as long as the checkpoint of the root graph that they were made under; of a graph with one
    history for all its calls the newest one stays too, since its next call begins there.
    """
    places = {(piece.ns, piece.id) for piece in pieces}
    roots = sorted((piece for piece in pieces if not piece.ns), key=lambda piece: piece.id, reverse=True)
    if not roots or not retention.is_bounded:
        return places
    within: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece.ns:
            within.setdefault(piece.root, []).append(piece)
    stay = _young(roots, within, retention, now_ms)
    if not stay:
        if not retention.spares_latest(waits=waits):
            return None
        stay = {roots[0].id}
    stay |= {root for root in within if root > max(stay)}  # begun under a checkpoint that has no row
    newest: dict[str, str] = {}
    for piece in pieces:
        if piece.ns and ":" not in piece.ns:
            newest[piece.ns] = max(newest.get(piece.ns, ""), piece.id)
    return {
        (piece.ns, piece.id)
        for piece in pieces
        if (piece.root if piece.ns else piece.id) in stay or newest.get(piece.ns) == piece.id
    }


def _young(
    roots: Sequence[Piece], within: Mapping[str, Sequence[Piece]], retention: Retention, now_ms: float
) -> set[str]:
    """The checkpoints of the root graph that are within all bounds. The newest one is too large for none."""
    stay: set[str] = set()
    own, values = 0, dict[Base, int]()
    for root in roots:
        if retention.seconds is not None and now_ms - root.at_ms > retention.seconds * 1000:
            break
        if retention.max_checkpoints is not None and len(stay) >= retention.max_checkpoints:
            break
        for piece in (root, *within.get(root.id, ())):
            own += piece.bytes
            for base, size in piece.stands_on.items():
                values[base] = max(values.get(base, 0), size)
        if stay and retention.max_bytes is not None and own + sum(values.values()) > retention.max_bytes:
            break
        stay.add(root.id)
    return stay
