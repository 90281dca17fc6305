"""`python -m benchmarks`: run the workloads and print the tables, the ratios and the targets."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.harness import Bench, Measured, measure
from benchmarks.targets import judge

WORKLOADS = {
    "w1": "w1_linear",
    "w2": "w2_fan_out",
    "w3": "w3_many_runs",
    "w4": "w4_events",
    "w5": "w5_chat",
    "w5threads": "w5_threads",
    "w6": "w6_tokens",
    "w7": "w7_wide",
    "w8": "w8_takeover",
    "w1cpu": "w1_cpu",
    "imports": "imports",
}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under 40 s, and noisier")
    parser.add_argument("--only", action="append", choices=list(WORKLOADS), help="only this workload (repeatable)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of all rounds here")
    parser.add_argument("--write-results", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    parser.add_argument("--server", type=Path, metavar="PROGRAM", help="a redis-server or valkey-server to use")
    return parser.parse_args(words)


def main() -> int:
    """0; 1 if a contender failed."""
    options = arguments()
    # The tables take what they need down with them on Ctrl-C and on SIGTERM alike.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    began = time.monotonic()
    bench = Bench(quick=options.quick, program=options.server)
    measured: dict[str, Measured] = {}
    try:
        about = report.machine(_server(bench), load)
        for key in options.only or WORKLOADS:
            _workload(bench, key, measured)
    finally:
        bench.close()
    verdicts = judge(measured)
    targets = report.verdicts_text(verdicts)
    print(f"\n{targets}\n\n{time.monotonic() - began:.0f} s", flush=True)
    if options.json:
        options.json.write_text(report.as_json(about, measured, verdicts), encoding="utf-8")
    if options.write_results:
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        report.write_results(command, about, [targets, *(report.table_text(one) for one in measured.values())])
    return 1 if any(result.error for one in measured.values() for result in one.results.values()) else 0


def _workload(bench: Bench, key: str, measured: dict[str, Measured]) -> None:
    module = import_module(f"benchmarks.{WORKLOADS[key]}")
    try:
        for table in module.tables(bench):
            one = measured[table.key] = measure(table)
            print(f"\n{report.table_text(one)}\n({one.seconds:.0f} s)", flush=True)
    finally:
        bench.end_workload()


def _server(bench: Bench) -> str:
    import redis

    with redis.Redis.from_url(bench.server.url, protocol=2) as client:
        info: Any = client.info("server")
    bench.end_workload()
    name = "Valkey" if "valkey_version" in info else "Redis"
    return f"{name} {info.get('valkey_version') or info['redis_version']} on loopback, AOF everysec"


if __name__ == "__main__":
    sys.exit(main())
