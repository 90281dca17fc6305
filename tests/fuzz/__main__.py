"""`python -m tests.fuzz --frames 10000000 --seed 1`: mutated frames into every decoder. Ends with 1 for a finding."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from functools import partial

from tests.fuzz.rounds import BLOCK, PEAK_BYTES_MAX, Told, bound_memory, report, run_block


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=300_000, help="how many, in blocks of 1,000")
    parser.add_argument("--seed", type=int, default=1, help="makes the same frames, on any number of cores")
    parser.add_argument("--block", type=int, help="run this block alone, again")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    if given.block is not None:
        told = run_block(given.seed, given.block)
    else:
        told = _run(given.seed, -(-given.frames // BLOCK), given.processes)
    frames = sum(told.outcomes.values())
    spent = time.monotonic() - begun
    print(report(told))
    print(
        f"{frames} frames in {spent:.0f} s: {frames / spent:.0f} a second; at most {told.peak / 2**20:.0f} MB a process"
    )
    for finding in told.findings[:20]:
        print(f"\nFINDING {finding}")
    print(f"{len(told.findings)} findings")
    if told.peak > PEAK_BYTES_MAX:
        print(f"FINDING: more than {PEAK_BYTES_MAX / 2**20:.0f} MB were taken")
    return 1 if told.findings or told.peak > PEAK_BYTES_MAX else 0


def _run(seed: int, blocks: int, processes: int) -> Told:
    told = Told()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=bound_memory) as pool:
        for number, each in enumerate(pool.imap_unordered(partial(run_block, seed), range(blocks), chunksize=4), 1):
            told.add(each)
            if number % 500 == 0:
                print(f"{number * BLOCK} frames, {len(told.findings)} findings", flush=True)
    return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
