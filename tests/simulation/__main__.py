"""Replay a seed: `python -m tests.simulation SEED [--trace]`; a range of them: `python -m tests.simulation 0-999`."""

import argparse
import sys
import time

from drumline.testing.errors import InvariantViolation as Violation

from .world import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Replay simulation seeds.")
    parser.add_argument("seeds", help="a seed, or a range such as 0-999")
    parser.add_argument("--trace", action="store_true", help="print every step")
    parser.add_argument("--digest", action="store_true", help="print a hash of all that happened in each seed")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    failed = 0
    began = time.perf_counter()
    for seed in range(int(first), int(last or first) + 1):
        try:
            world = simulate(seed, echo=print if options.trace else None)
        except Violation as violation:
            failed += 1
            print(violation)
        else:
            if options.digest:
                print(seed, world.digest)
            elif not last:
                print(f"seed {seed}: {len(world.trace)} steps, {world.watch.commits} commits, {world.outcomes}")
    if last and not options.digest:
        print(f"{failed} violations, {time.perf_counter() - began:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
