"""Which fault comes when: from a seed, and from nothing else. Pure but for its own random numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

#: kind of fault -> shortest and longest time that it lasts, in seconds
KINDS: dict[str, tuple[float, float]] = {
    "kill worker": (0, 0),
    "kill coordinator": (0, 0),
    "stop worker": (0.3, 4),
    "stop coordinator": (0.3, 4),
    "kill broker": (0, 3),
    "client kill": (0, 0),
    "script flush": (0, 0),
    "proxy delay": (1, 4),
    "proxy cut": (0, 0),
    "proxy silent": (1, 6),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at_s` after the begin, against `victim` (a role, or a role behind a proxy), for `for_s`."""

    at_s: float
    kind: str
    victim: str
    for_s: float

    def __str__(self) -> str:
        lasts = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:6.1f} s  {self.kind} {self.victim}{lasts}"


def plan(seed: int, seconds: float, roles: Sequence[str], proxied: Sequence[str]) -> list[Fault]:
    """A fault each second; each kind comes once before any comes again. Roles are named c0, c1, w0, w1, ..."""
    rng = random.Random(f"faults {seed}")
    faults: list[Fault] = []
    bag: list[str] = []
    for second in range(1, int(seconds)):
        if not bag:
            bag = rng.sample(list(KINDS), len(KINDS))
        kind = bag.pop()
        shortest, longest = KINDS[kind]
        faults.append(
            Fault(second + rng.random(), kind, _victim(rng, kind, roles, proxied), rng.uniform(shortest, longest))
        )
    return faults


def kills_only(seconds: float, roles: Sequence[str], every_s: float = 4.0) -> list[Fault]:
    """Kills alone, so far apart that each takeover is seen by itself: of a worker, of a coordinator, in turn."""
    workers = [role for role in roles if role.startswith("w")]
    coordinators = [role for role in roles if role.startswith("c")]
    faults = []
    for turn in range(int((seconds - 2) / every_s)):
        kind, among = (("kill worker", workers), ("kill coordinator", coordinators))[turn % 2]
        faults.append(Fault(2 + turn * every_s, kind, among[turn // 2 % len(among)], 0.0))
    return faults


def _victim(rng: random.Random, kind: str, roles: Sequence[str], proxied: Sequence[str]) -> str:
    if kind.startswith("proxy"):
        return rng.choice(proxied)
    if kind == "client kill":
        return rng.choice([*roles, "client"])
    if kind.endswith("worker"):
        return rng.choice([role for role in roles if role.startswith("w")])
    if kind.endswith("coordinator"):
        return rng.choice([role for role in roles if role.startswith("c")])
    return ""
