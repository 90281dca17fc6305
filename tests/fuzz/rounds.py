"""A round of frames: blocks, each from a seed of its own, so that any one can be run again alone."""

from __future__ import annotations

import logging
import os
import resource
import signal
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.targets import SHARES, targets

#: frames in a block
BLOCK = 1000

#: A block that takes longer has met a frame that does not end.
BLOCK_SECONDS = 120

#: What a process may have at once at most, and what it may never have.
PEAK_BYTES_MAX = 600 * 1024 * 1024
HARD_BYTES_MAX = 3 * 1024 * 1024 * 1024


@dataclass
class Told:
    """What came of some blocks."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    peak: int = 0

    def add(self, other: Told) -> None:
        self.outcomes += other.outcomes
        self.findings += other.findings
        self.peak = max(self.peak, other.peak)


def bound_memory() -> None:
    """From here on this process gets no more than so much."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (HARD_BYTES_MAX, hard))


def run_block(seed: int, block: int) -> Told:
    """Run one block. Whatever a target raises is a finding."""
    rng = Random(f"{seed}:{block}")
    made = targets()
    names, weights = list(SHARES), list(SHARES.values())
    told = Told()
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(BLOCK_SECONDS)
    logging.disable()  # each refusal is a line
    try:
        for number in range(BLOCK):
            name = rng.choices(names, weights)[0]
            try:
                outcome = made[name](rng)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                outcome = f"! {type(error).__name__}"
                told.findings.append(_finding(seed, block, number, name, error))
                made = targets()
                rng.seed(f"{seed}:{block}:{number}")
            told.outcomes[name, outcome] += 1
    finally:
        logging.disable(logging.NOTSET)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    told.peak = peak_bytes()
    return told


def peak_bytes() -> int:
    """The most memory that this process had at once.

    `ru_maxrss` is not it: it begins with what the process had that started this one, maybe a whole suite of tests.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def _too_long(_number: int, current: Any) -> None:
    # The decoder would make an error of its own of any exception, so this process ends.
    traceback.print_stack(current)
    print(f"a block took longer than {BLOCK_SECONDS} s", flush=True)
    os._exit(3)


def _finding(seed: int, block: int, number: int, name: str, error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return f"--seed {seed} --block {block}, frame {number}, {name}:\n" + "".join(lines)[-3000:]


def report(told: Told) -> str:
    """Counts by target and outcome."""
    lines = []
    for target in SHARES:
        mine = {outcome: count for (name, outcome), count in told.outcomes.items() if name == target}
        lines.append(f"{target:10}{sum(mine.values()):>10}")
        lines += [f"    {outcome:20}{count:>10}" for outcome, count in sorted(mine.items(), key=lambda pair: -pair[1])]
    return "\n".join(lines)
