"""Shares of coordinators: whatever happens, soon each partition has an owner, shares are fair, and nothing moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drumline_coordinator.balance import KEEP_TURNS, LOSSES_FREE, TURNS_PER_LEASE, Balance, View
from drumline_transport.keeper_verbs import LeaseState

LEASE_MS = 1_200
TURN_MS = LEASE_MS // TURNS_PER_LEASE


@dataclass
class Member:
    """One coordinator: what it holds, and what its main loop has not let go of yet."""

    balance: Balance
    name: str
    nonce: str
    next_ms: int
    held: set[int] = field(default_factory=set)
    leaving: set[int] = field(default_factory=set)
    #: a look that was taken, and upon which it has not acted yet
    view: View | None = None


class Cluster:
    """Leases and beats as Redis keeps them, and coordinators that look and act, others between the two."""

    def __init__(self, partitions: int, rng: Random) -> None:
        self.partitions = partitions
        self.rng = rng
        self.now = 1_000_000
        self.leases: dict[int, tuple[str, int]] = {}
        self.beats: dict[str, int] = {}
        self.members: dict[str, Member] = {}
        self.moves: list[tuple[int, int, str]] = []
        self._count = 0

    # -- what happens -----------------------------------------------------------------------------

    def join(self) -> Member:
        self._count += 1
        name = f"c{self._count}"
        nonce = f"{name}#{self._count}"
        member = Member(
            Balance(name, nonce, self.partitions, LEASE_MS), name, nonce, self.now + self.rng.randrange(TURN_MS)
        )
        self.members[name] = member
        return member

    def crash(self, name: str) -> None:
        del self.members[name]

    def stop(self, name: str) -> None:
        member = self.members.pop(name)
        for index in member.held | member.leaving:
            self._release(member, index)
        self.beats.pop(name, None)

    def pause(self, name: str, ms: int) -> None:
        self.members[name].next_ms = self.now + ms

    def _release(self, member: Member, index: int) -> None:
        if self.leases.get(index, ("", 0))[0] == member.nonce:
            self.leases[index] = ("", 0)

    # -- time -------------------------------------------------------------------------------------

    def go_on(self, ms: int) -> None:
        end = self.now + ms
        while self.members:
            member = min(self.members.values(), key=lambda m: (m.next_ms, m.name))
            if member.next_ms > end:
                break
            self.now = max(self.now, member.next_ms)
            self.act(member) if member.view is not None else self.look(member)
        self.now = end

    def look(self, member: Member) -> None:
        """One round trip: leases are prolonged, the beat is left, all is read; what follows takes a moment."""
        for index in list(member.held | member.leaving):
            if self.leases[index][0] == member.nonce:
                self.leases[index] = (member.nonce, self.now + LEASE_MS)
            else:
                member.held.discard(index)
                member.leaving.discard(index)
        self.beats[member.name] = self.now
        others = {
            index: LeaseState(owner, until - self.now)
            for index, (owner, until) in self.leases.items()
            if index not in member.held | member.leaving
        }
        ages = {name: self.now - at for name, at in self.beats.items()}
        member.view = View(self.now, set(member.held), set(member.leaving), others, (), ages)
        member.next_ms = self.now + self.rng.randrange(20)

    def act(self, member: Member) -> None:
        for index in list(member.leaving):  # its main loop has let go of what it was told to
            member.leaving.discard(index)
            self._release(member, index)
        view, member.view = member.view, None
        assert view is not None
        take, give = member.balance.decide(view)
        assert not set(take) & (member.held | member.leaving) and set(give) <= member.held
        for index in take:
            owner, until = self.leases.get(index, ("", 0))
            if owner in ("", member.nonce) or until <= self.now:
                self.leases[index] = (member.nonce, self.now + LEASE_MS)
                member.held.add(index)
                self.moves.append((self.now, index, member.name))
        member.held -= set(give)
        member.leaving |= set(give)
        member.next_ms = self.now + TURN_MS

    # -- what is seen -----------------------------------------------------------------------------

    def shares(self) -> list[int]:
        return sorted(len(member.held) for member in self.members.values())

    def fair(self) -> bool:
        shares = self.shares()
        return sum(shares) == self.partitions and shares[-1] - shares[0] <= 1


def started(count: int, partitions: int = 8, seed: int = 0) -> Cluster:
    cluster = Cluster(partitions, Random(seed))
    for _ in range(count):
        cluster.join()
    cluster.go_on(20 * TURN_MS)
    assert cluster.fair()
    return cluster


HAPPENINGS = st.lists(st.sampled_from(["join", "crash", "stop", "pause", "wait"]), max_size=12)


@settings(deadline=None)
@example(4, 5, 1_000_000, ["crash", "crash", "crash"])
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 10**6), HAPPENINGS)
def test_whatever_happens_shares_become_fair_and_nothing_moves_then(
    partitions: int, members: int, seed: int, happenings: list[str]
) -> None:
    rng = Random(seed)
    cluster = Cluster(partitions, rng)
    for _ in range(members):
        cluster.join()
    for happening in happenings:
        cluster.go_on(rng.randrange(8 * TURN_MS))
        name = rng.choice(sorted(cluster.members)) if cluster.members else ""
        if happening == "join" or not name:
            cluster.join()
        elif happening == "pause":
            cluster.pause(name, rng.randrange(3 * LEASE_MS))
        elif happening != "wait":
            getattr(cluster, happening)(name)
    if not cluster.members:
        cluster.join()
    # Given that nothing more happens
    quiet = cluster.now + 3 * LEASE_MS  # the last pause is over
    cluster.go_on(3 * LEASE_MS)
    # When all have had some turns, then shares are fair: soon, or when who took back what nobody wanted gives again
    cluster.go_on(24 * TURN_MS)
    if not cluster.fair():
        cluster.go_on(KEEP_TURNS * TURN_MS)
    assert cluster.fair(), cluster.shares()
    # And no partition went to and fro: it may have been taken from a dead one, and then given to its place
    owners = Counter(index for at, index, _ in cluster.moves if at >= quiet)
    assert max(owners.values(), default=0) <= 2
    # And nothing moves any more
    moved = len(cluster.moves)
    cluster.go_on(2 * KEEP_TURNS * TURN_MS)
    assert len(cluster.moves) == moved


@pytest.mark.parametrize("seed", range(20))
def test_two_that_start_together_have_fair_shares(seed: int) -> None:
    cluster = Cluster(8, Random(seed))
    cluster.join()
    cluster.join()
    cluster.go_on(8 * TURN_MS)
    assert cluster.shares() == [4, 4]


def test_shares_differ_by_one_at_most() -> None:
    assert started(4, partitions=9).shares() == [2, 2, 2, 3]
    assert started(5, partitions=8).shares() == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_a_dead_ones_partitions_are_taken_within_a_lease_and_a_turn(seed: int) -> None:
    cluster = started(2, seed=seed)
    dead = min(cluster.members.values(), key=lambda m: m.name)
    orphans, begun = set(dead.held), len(cluster.moves)
    cluster.go_on(cluster.rng.randrange(TURN_MS))
    killed = cluster.now
    cluster.crash(dead.name)
    cluster.go_on(2 * LEASE_MS)
    taken = {index: at - killed for at, index, _ in cluster.moves[begun:]}
    assert set(taken) == orphans
    assert max(taken.values()) <= LEASE_MS + TURN_MS + 40


def test_what_ran_out_is_taken_whatever_the_share() -> None:
    balance = Balance("a", "a#1", 4, LEASE_MS)
    leases = {2: LeaseState("dead#1", 0), 3: LeaseState("b#1", 500)}
    assert balance.decide(View(10, {0, 1}, (), leases, (), {"b": 0, "c": 0})) == ([2], [])


def test_what_is_free_is_left_to_whom_it_was_released_for_but_not_for_ever() -> None:
    balance = Balance("a", "a#1", 4, LEASE_MS)
    now, ages = 0, {"b": 0}
    for _ in range(TURNS_PER_LEASE):
        assert balance.decide(View(now, {0, 1}, (), {2: LeaseState("", -1), 3: LeaseState("b#1", 900)}, (), ages)) == (
            [],
            [],
        )
        now += TURN_MS
    view = View(now, {0, 1}, (), {2: LeaseState("", -1), 3: LeaseState("b#1", 900)}, (), ages)
    assert balance.decide(view) == ([2], [])
    # And it is not given away again at once
    for _ in range(KEEP_TURNS - 1):
        now += TURN_MS
        assert balance.decide(View(now, {0, 1, 2}, (), {3: LeaseState("b#1", 900)}, (), ages))[1] == []
    assert balance.decide(View(now + TURN_MS, {0, 1, 2}, (), {3: LeaseState("b#1", 900)}, (), ages))[1] == [2]


def test_nothing_is_given_to_one_that_is_seen_for_the_first_time() -> None:
    balance = Balance("a", "a#1", 4, LEASE_MS)
    assert balance.decide(View(0, range(4), (), {}, (), {"b": 0})) == ([], [])
    assert balance.decide(View(300, range(4), (), {}, (), {"b": 0})) == ([], [2, 3])


def test_a_beat_older_than_a_lease_counts_for_nothing() -> None:
    balance = Balance("a", "a#1", 4, LEASE_MS)
    for now in (0, 300, 600):
        assert balance.decide(View(now, range(4), (), {}, (), {"b": LEASE_MS})) == ([], [])


def test_who_was_away_gives_the_others_two_turns() -> None:
    # Given a broker that was away for longer than a lease: all leases have run out, and this one is back first
    balance = Balance("a", "a#1", 4, LEASE_MS)
    held = {2: LeaseState("b#1", 900), 3: LeaseState("b#1", 900)}
    lapsed = {2: LeaseState("b#1", -100), 3: LeaseState("b#1", -100)}
    assert balance.decide(View(0, {0, 1}, (), held, (), {"b": 0}))[0] == []
    for now in (2_000, 2_300):
        assert balance.decide(View(now, {0, 1}, (), lapsed, (), {"b": 2_000}))[0] == []
    assert balance.decide(View(2_600, {0, 1}, (), lapsed, (), {"b": 2_000}))[0] == [2, 3]
    # And who is late in every turn takes over all the same
    assert balance.decide(View(5_000, {0, 1}, (), lapsed, (), {"b": 2_000}))[0] == [2, 3]


def test_a_partition_that_is_thrown_away_again_and_again_rests() -> None:
    balance = Balance("a", "a#1", 1, LEASE_MS)
    mine = {0: LeaseState("a#1", 900)}
    waits = []
    for _ in range(LOSSES_FREE + 5):
        at_once = balance.lost(0)
        turns = 1
        while balance.decide(View(0, (), (), mine, (), {}))[0] != [0]:
            turns += 1
        waits.append((at_once, turns))
    # The entry that is to blame is found within a few leases; after that somebody has to mend it
    assert waits == [(True, 1)] * LOSSES_FREE + [(False, 2), (False, 4), (False, 8), (False, 16), (False, 32)]
    # And one that gets on does not rest
    assert balance.lost(0, progressed=True)
    assert balance.decide(View(0, (), (), mine, (), {}))[0] == [0]


def test_an_unserved_partition_is_left_alone() -> None:
    balance = Balance("a", "a#1", 2, LEASE_MS)
    assert balance.decide(View(0, (), (), {}, {1}, {})) == ([0], [])
