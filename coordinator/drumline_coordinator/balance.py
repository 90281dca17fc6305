"""Who should hold which partition: what to take, what to give. Pure.

Each coordinator decides for itself, from what it sees in one look; looks of two of them differ by a moment. Rules:

* Whoever sees first that a lease has run out takes the partition, whatever its share: a partition without an owner is
  worse than an uneven share. It gives its surplus later.
* A coordinator takes free partitions (released, or never owned) up to its fair share, so that they go to whom they were
  released for. If nobody has come for one within a lease, anybody takes it.
* A fair share is `partitions / members`, rounded down, or up for as many members as it takes. Those who hold most are
  the ones who may hold one more, so that nothing moves among equals.
* A coordinator gives surplus only for members that it has seen twice, so that one that dies as soon as it has started
  moves nothing. After it had to take back what nobody wanted, it gives nothing for a long while.
* A coordinator that comes late to a look (the broker was away, or its process stood still) does not judge others by
  what it sees then. They may be as late, and get two turns to beat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from drumline_protocol.limits import POISON_TRIES_MAX
from drumline_transport.keeper_verbs import LeaseState

#: Turns of a keeper within one lease. Three of them may be missed.
TURNS_PER_LEASE = 4
#: Turns for which a coordinator gives nothing after it took back a partition that nobody wanted; each time twice as
#: many.
KEEP_TURNS, KEEP_TURNS_MAX = 100, 12_800
#: Turns in which leases of others are left alone, after one that came late.
GRACE_TURNS = 2
#: Turns between one such grace and the next: a coordinator that is late again and again must take over all the same.
GRACE_EVERY_TURNS = 20
#: A partition that was thrown away again and again rests for up to so many turns before it is leased anew.
REST_TURNS_MAX = 32
#: Losses in a row after which it rests. So many leases are needed to find an entry that no commit can answer.
LOSSES_FREE = POISON_TRIES_MAX + 1
#: Turns without a loss after which a partition's losses are forgotten.
LOSSES_FORGOTTEN_TURNS = 200


@dataclass(slots=True)
class View:
    """What one look shows: what this process holds and is not giving, the leases of the others, who is there."""

    now_ms: int
    held: Collection[int]
    leaving: Collection[int]
    leases: Mapping[int, LeaseState]
    unserved: Collection[int]
    #: `name -> ms since its last beat`
    ages: Mapping[str, int]


@dataclass(slots=True)
class _Losses:
    count: int
    last_turn: int


class Balance:
    """The decisions of one coordinator, and the little that it remembers between them."""

    def __init__(self, name: str, nonce: str, partitions: int, lease_ms: int) -> None:
        self._name = name
        self._nonce = nonce
        self._partitions = partitions
        self._lease_ms = lease_ms
        self._turn = 0
        self._seen: set[str] = set()
        self._free_turns: dict[int, int] = {}
        self._keep_until = 0
        self._keep_turns = KEEP_TURNS
        self._last_ms: int | None = None
        self._grace_until = 0
        self._grace_again = 0
        self._losses: dict[int, _Losses] = {}

    def lost(self, index: int, progressed: bool = False) -> bool:
        """The partition was thrown away. `progressed` tells whether a commit of it was applied since it was leased.

        Returns whether it may be leased anew at once: not if that happens again and again without progress. It takes a
        few leases to find a poisoned entry, so the first ones follow each other without a rest.
        """
        known = self._losses.get(index)
        if known is None or progressed or self._turn - known.last_turn > LOSSES_FORGOTTEN_TURNS:
            self._losses[index] = _Losses(1, self._turn)
            return True
        known.count += 1
        known.last_turn = self._turn
        return known.count <= LOSSES_FREE

    def decide(self, view: View) -> tuple[list[int], list[int]]:
        """Partitions to take now, and those to give."""
        self._turn += 1
        self._note_time(view.now_ms)
        alive = {self._name, *(name for name, age in view.ages.items() if age < self._lease_ms)}
        known = alive & self._seen | {self._name}
        self._seen = alive
        take, free = self._sort(view)
        held = len(view.held) + len(take)
        room = max(0, self._share(view, alive) - held)
        wanted, rest = free[:room], free[room:]
        unwanted = [index for index in rest if self._free_turns[index] > TURNS_PER_LEASE]
        if unwanted:
            self._keep_until = self._turn + self._keep_turns
            self._keep_turns = min(2 * self._keep_turns, KEEP_TURNS_MAX)
        give: list[int] = []
        if self._turn >= self._keep_until:
            surplus = len(view.held) - self._share(view, known)
            give = sorted(view.held)[-surplus:] if surplus > 0 else []
        return sorted([*take, *wanted, *unwanted]), give

    def _note_time(self, now_ms: int) -> None:
        late = self._last_ms is not None and now_ms - self._last_ms > self._lease_ms * 3 // 4
        self._last_ms = now_ms
        if late and self._turn >= self._grace_again:
            self._grace_until = self._turn + GRACE_TURNS
            self._grace_again = self._turn + GRACE_EVERY_TURNS

    def _sort(self, view: View) -> tuple[list[int], list[int]]:
        """Partitions that this process should take now, and free ones that wait for whoever should have them."""
        take, free = [], []
        for index in range(self._partitions):
            if index in view.held or index in view.leaving or index in view.unserved or self._rests(index):
                continue
            lease = view.leases.get(index)
            if lease is None or not lease.owner:
                self._free_turns[index] = self._free_turns.get(index, 0) + 1
                free.append(index)
                continue
            self._free_turns.pop(index, None)
            if lease.owner == self._nonce or (lease.remaining_ms <= 0 and self._turn >= self._grace_until):
                take.append(index)
        for index in view.held:
            self._free_turns.pop(index, None)
        return take, free

    def _rests(self, index: int) -> bool:
        losses = self._losses.get(index)
        if losses is None or losses.count <= LOSSES_FREE:
            return False
        rest = min(1 << min(losses.count - LOSSES_FREE, 10), REST_TURNS_MAX)
        return self._turn - losses.last_turn < rest

    def _share(self, view: View, members: set[str]) -> int:
        """How many partitions this coordinator should hold among `members`."""
        counts = dict.fromkeys(members, 0)
        counts[self._name] = len(view.held)
        for lease in view.leases.values():
            owner = owner_name(lease.owner)
            if lease.remaining_ms > 0 and owner in counts and owner != self._name:
                counts[owner] += 1
        least, more = divmod(self._partitions, len(counts))
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        return least + (ranked.index(self._name) < more)


def owner_name(nonce: str) -> str:
    """The coordinator that a lease's owner is an incarnation of."""
    return nonce.rpartition("#")[0] or nonce
