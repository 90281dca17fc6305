"""How a log stays bounded: marks, at which it may be cut, and what goes when it is cut. Pure.

Each time the log has grown by half of its bound, the head that is written then is kept as a *mark* too. With the next
mark the log is trimmed up to the one before. So what is left is at least half of the bound (or the two newest heads, if
they take more), a reader that stands in it can begin at one of the marks, and memory and Redis hold no more, however
long the run is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from drumline_coordinator.heads import bases_in
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import Fact, RunKept
from drumline_protocol.heads import MARKS, TRIMMED, heads_in

#: stands between blobs in a field of the record
_BETWEEN = "\0"


class Mark(NamedTuple):
    """A head that is kept. `log_bytes` is what the log took up to it; `bases` and `blobs` are what it names."""

    fact: int
    at: str
    log_bytes: int
    bases: dict[str, int]
    blobs: frozenset[str]
    field: str


@dataclass(slots=True)
class Cut:
    """What a commit does to a log that has grown: fields of the record, up to where entries go, blobs that go."""

    fields: dict[str, bytes | str]
    upto: str = ""
    blobs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Bounded:
    """The marks of one open run, the older first, and which of its large values were named where."""

    marks: list[Mark] = field(default_factory=list)
    #: (number of the last fact of the commit that named it, blob), in that order
    named: deque[tuple[int, str]] = field(default_factory=deque)

    def note_named(self, fact: int, blobs: Iterable[str]) -> None:
        """A commit that ends with `fact` names these blobs."""
        self.named.extend((fact, blob) for blob in blobs)

    def mark(self, run_id: str, facts: list[Fact], data: bytes, at: str, fact: int, bound: int) -> Cut | None:
        """What a new head, made of `facts`, means for the log; None if nothing."""
        log_bytes = log_bytes_of(facts)
        if log_bytes - (self.marks[-1].log_bytes if self.marks else 0) < bound / 2:
            return None
        place = MARKS[0] if not self.marks or self.marks[-1].field == MARKS[1] else MARKS[1]
        self.marks.append(Mark(fact, at, log_bytes, bases_in(facts), blobs_in(run_id, data), place))
        known = _BETWEEN.join(blob for _, blob in self.named)
        cut = Cut({place: data, f"{place}_at": at, f"{place}_named": known})
        if len(self.marks) > len(MARKS):
            del self.marks[0]
        if len(self.marks) == len(MARKS):
            oldest = self.marks[0]
            cut.upto = cut.fields[TRIMMED] = oldest.at
            cut.blobs = self._unnamed(oldest)
        return cut

    def bases(self, newest: Mapping[str, int]) -> dict[str, int]:
        """The lowest version of each cell that a head needs: the newest one, whose bases these are, or a mark."""
        needed = dict(newest)
        for mark in self.marks:
            for cell, base in mark.bases.items():
                needed[cell] = min(base, needed.get(cell, base))
        return needed

    def _unnamed(self, oldest: Mark) -> list[str]:
        """The blobs that were named before the oldest mark, and not in it: then nothing behind it names them."""
        before: list[tuple[int, str]] = []
        while self.named and self.named[0][0] <= oldest.fact:
            before.append(self.named.popleft())
        self.named.extendleft(pair for pair in reversed(before) if pair[1] in oldest.blobs)
        return [blob for _, blob in before if blob not in oldest.blobs]


def log_bytes_of(facts: Iterable[Fact]) -> int:
    """What a head says that the log took up to it."""
    return next((fact.log_bytes for fact in facts if type(fact) is RunKept), 0)


def blobs_in(run_id: str, data: bytes) -> frozenset[str]:
    """The ids of a run's blobs that stand in encoded bytes: they begin with its id."""
    found = re.findall(re.escape(run_id.encode("utf-8", "replace")) + rb":[\w-]+-\d+-\d+", data)
    return frozenset(blob.decode("utf-8", "replace") for blob in found)


def recovered(codec: Codec, run_id: str, record: Mapping[str, bytes], last: int) -> Bounded:
    """The same out of a run's record. A blob counts as named at the first mark that knows it, or else at `last`."""
    marks = []
    for name in MARKS:
        for head in heads_in(record, (name,)):
            facts = wire.decode_facts(codec, head.data)
            made = Mark(head.fact, head.at, log_bytes_of(facts), bases_in(facts), blobs_in(run_id, head.data), name)
            marks.append(made)
    marks.sort()
    named = {name[2:]: last for name in record if name.startswith("b:")}
    for mark in reversed(marks):
        known = record.get(f"{mark.field}_named", b"").decode("utf-8", "replace").split(_BETWEEN)
        named.update((blob, mark.fact) for blob in known if blob in named)
    return Bounded(marks, deque(sorted((fact, blob) for blob, fact in named.items())))
