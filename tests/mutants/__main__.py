"""`python -m tests.mutants [--room R] [--only NAME] [--jobs 2]`: exit status 1 below 90 % in any room."""

from __future__ import annotations

import argparse
import sys

from .harness import WANTED_PERCENT, BaselineFails, percent_killed, run_mutations, table
from .mutation import StaleMutation
from .rooms import ROOMS


def main() -> int:
    """Run the mutations that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--room", action="append", choices=sorted(ROOMS), help="only this room (may be given again)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this mutation (may be given again)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once, each in a copy of its own")
    parser.add_argument("--no-baseline", action="store_true", help="trust that the tests pass without a mutation")
    parser.add_argument("--list", action="store_true", help="name the mutations and run nothing")
    args = parser.parse_args()
    chosen = [
        (room, mutation)
        for room, mutations in ROOMS.items()
        for mutation in mutations
        if (not args.room or room in args.room) and (not args.only or mutation.name in args.only)
    ]
    if not chosen:
        parser.error("no mutation of that name")
    if args.list:
        for room, mutation in chosen:
            print(f"{room:12} {mutation.name:44} {mutation.rule}")
        return 0
    try:
        verdicts = run_mutations(chosen, args.jobs, lambda line: print(line, flush=True), baseline=not args.no_baseline)
    except (StaleMutation, BaselineFails) as error:
        print(error, file=sys.stderr)
        return 2
    print()
    print(table(list(ROOMS), chosen, verdicts))
    shares = (percent_killed([verdict for verdict in verdicts if verdict.room == room]) for room in ROOMS)
    return 0 if all(share >= WANTED_PERCENT for share in shares) else 1


if __name__ == "__main__":
    sys.exit(main())
