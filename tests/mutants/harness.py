"""Running mutations, several at once, and the table of what was noticed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from .copies import ROOT, Copy
from .mutation import Mutation

#: how much of a room's mutations tests must notice
WANTED_PERCENT = 90
#: how long the tests of one mutation may take; longer is noticed as a hang
LIMIT_S = 240
BASELINE_LIMIT_S = 1800


@dataclass(frozen=True)
class Verdict:
    """What became of a mutation. `by` is the test that noticed it; `output` what pytest said if none did."""

    room: str
    mutation: Mutation
    killed: bool
    by: str
    seconds: float
    output: str


class BaselineFails(Exception):
    """The tests fail without any mutation: nothing can be told from them."""


def run_mutations(
    chosen: Sequence[tuple[str, Mutation]], jobs: int, tell: Callable[[str], None], *, baseline: bool = True
) -> list[Verdict]:
    """Run each mutation's tests with its rule broken. StaleMutation, BaselineFails. The tree itself stays as it is."""
    for _, mutation in chosen:
        mutation.applied_to((ROOT / mutation.file).read_text())
    runnable = [(room, mutation) for room, mutation in chosen if not mutation.equivalent]
    jobs = max(1, min(jobs, len(runnable)))
    with tempfile.TemporaryDirectory(prefix="drumline-mutants-", ignore_cleanup_errors=True) as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(jobs):
            copies.put(Copy(Path(folder) / str(number)))
        if baseline and runnable:
            copy = copies.get()
            _check_baseline(copy, [mutation for _, mutation in runnable], tell)
            copies.put(copy)

        def judge(pair: tuple[str, Mutation]) -> Verdict:
            room, mutation = pair
            copy = copies.get()
            try:
                begun = time.monotonic()
                ran = copy.run_broken(mutation, LIMIT_S)
                seconds = time.monotonic() - begun
            finally:
                copies.put(copy)
            if ran.code not in (0, 1, 2, None):
                raise RuntimeError(f"the tests of {mutation.name!r} could not run:\n{ran.output}")
            killed = ran.code != 0
            by = ran.first_failure if killed else ""
            tell(f"{'killed  ' if killed else 'SURVIVED'} {room:12} {mutation.name:44} {seconds:6.1f} s  {by}")
            return Verdict(room, mutation, killed, by, seconds, ran.output)

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(judge, runnable))


def _check_baseline(copy: Copy, mutations: Iterable[Mutation], tell: Callable[[str], None]) -> None:
    for words in sorted({tuple(mutation.arguments) for mutation in mutations}):
        begun = time.monotonic()
        ran = copy.run(words, BASELINE_LIMIT_S)
        if ran.code != 0:
            raise BaselineFails(f"without any mutation these tests fail: {' '.join(words)}\n{ran.output}")
        tell(f"passes   unbroken     {' '.join(words)}  {time.monotonic() - begun:.1f} s")


def percent_killed(verdicts: Sequence[Verdict]) -> float:
    """Of those that could be noticed."""
    return 100 * sum(verdict.killed for verdict in verdicts) / len(verdicts) if verdicts else 100.0


def table(rooms: Sequence[str], chosen: Sequence[tuple[str, Mutation]], verdicts: Sequence[Verdict]) -> str:
    """One line a room, then those that nobody noticed, then those that nobody can notice."""
    lines = [f"{'room':14}{'mutations':>10}{'killed':>8}{'survived':>10}{'equivalent':>12}{'percent':>9}"]
    for room in rooms:
        own = [verdict for verdict in verdicts if verdict.room == room]
        killed = sum(verdict.killed for verdict in own)
        equivalent = sum(bool(mutation.equivalent) for where, mutation in chosen if where == room)
        if own or equivalent:
            share = f"{percent_killed(own):8.0f}%"
            lines.append(
                f"{room:14}{len(own) + equivalent:10}{killed:8}{len(own) - killed:10}{equivalent:12}{share:>9}"
            )
    lines += ["", *(_why("survived", v.room, v.mutation, v.mutation.rule) for v in verdicts if not v.killed)]
    lines += [_why("equivalent", room, m, m.equivalent) for room, m in chosen if m.equivalent]
    return "\n".join(lines).rstrip()


def _why(what: str, room: str, mutation: Mutation, reason: str) -> str:
    return f"{what:11} {room:12} {mutation.name}: {reason}"
