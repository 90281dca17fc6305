"""`drumline ps`: who is there, what waits, what runs."""

from __future__ import annotations

import json
import sys
import threading
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from drumline.cli.endings import say
from drumline.cli.signals import stop_on_signals
from drumline.cli.survey import survey
from drumline.cli.tables import new_console, span, table
from drumline.settings import Settings, UsageError
from drumline_protocol.errors import NoBroker

if TYPE_CHECKING:
    from drumline.cluster import Cluster

#: looks of `--watch` are at least so far apart
WATCH_MIN_S = 0.2


def run(args: Namespace) -> int:
    """Print the survey: tables, or with `--json` one object (see `survey`); with `--threads` the threads."""
    if args.threads or args.stale:
        if args.watch is not None:
            raise UsageError("--watch goes with the view of the cluster, not with --threads or --stale")
        from drumline.cli import ps_threads

        return ps_threads.run(args)
    from drumline.cluster import Cluster

    settings = Settings(args)
    with Cluster(settings.broker(), prefix=settings.prefix()) as cluster:
        if args.watch is None:
            _show(survey(cluster, runs_max=args.runs), args)
        else:
            _watch(cluster, args)
    return 0


def _show(found: dict[str, Any], args: Namespace) -> None:
    if args.json:
        print(json.dumps(found, indent=2 if sys.stdout.isatty() else None), flush=True)
    else:
        _print(found)


def _watch(cluster: Cluster, args: Namespace) -> None:
    """Look again and again until a signal comes: on a terminal in its place, in a pipe one look behind the other.

    A broker that is away is told in place of a look, and waited for.
    """
    stopped = threading.Event()
    with stop_on_signals(stopped.set):
        while not stopped.is_set():
            try:
                found = survey(cluster, runs_max=args.runs)
            except NoBroker as error:
                say(f"drumline ps: {error}")
            else:
                if sys.stdout.isatty() and not args.json:
                    print("\x1b[H\x1b[2J", end="")
                _show(found, args)
            stopped.wait(max(args.watch, WATCH_MIN_S))


def _print(found: dict[str, Any]) -> None:
    console = new_console()
    console.print(f"[bold]{found['broker']}[/]  prefix {found['prefix']}  {found['partitions']} partitions")
    table(
        console,
        "coordinators",
        found["coordinators"],
        {
            "name": lambda row: row["name"],
            "partitions": lambda row: ",".join(map(str, row["partitions"])) or "none (stands by)",
            "graphs": lambda row: _names(row["graphs"]),
            "heard": _heard,
        },
    )
    if found["unowned_partitions"]:
        owned = ", ".join(map(str, found["unowned_partitions"]))
        console.print(f"  [yellow]nobody holds partition {owned}: start a coordinator[/]")
    table(
        console,
        "workers",
        found["workers"],
        {
            "name": lambda row: row["name"],
            "pools": lambda row: ",".join(row["pools"]),
            "running": lambda row: f"{row['running']}/{row['concurrency']}",
            "graphs": lambda row: _names(row["graphs"]),
            "pid": lambda row: f"{row['pid']}@{row['host']}",
            "heard": _heard,
        },
    )
    table(
        console,
        "pools",
        found["pools"],
        {
            "name": lambda row: row["name"],
            "workers": lambda row: str(row["workers"]),
            "waiting": lambda row: str(row["waiting"]),
            "taken": lambda row: str(row["taken"]),
        },
    )
    table(
        console,
        "open runs",
        found["runs"],
        {
            "id": lambda row: row["run_id"],
            "graph": lambda row: row["graph"],
            "age": lambda row: span(row["age_s"]),
            "open tasks": _tasks,
        },
    )
    if found["failed"]:
        table(
            console,
            "failed lately",
            found["failed"],
            {
                "id": lambda row: row["run_id"],
                "graph": lambda row: row["graph"] or "?",
                "ago": lambda row: span(max(0.0, time.time() - row["at_ms"] / 1000)),
                "error": lambda row: row["error"],
            },
        )
    for line in found["unusable"]:
        console.print(f"  {line}", style="yellow", markup=False)
    if found["open_runs"] > len(found["runs"]):
        console.print(f"  {found['open_runs'] - len(found['runs'])} more: --runs N shows more of them")


def _names(graphs: list[str]) -> str:
    return ", ".join(graphs[:4]) + (f" and {len(graphs) - 4} more" if len(graphs) > 4 else "")


def _heard(row: dict[str, Any]) -> str:
    told = f"{span(row['age_ms'] / 1000)} ago"
    return told if row["alive"] else f"{told}: dead?"


def _tasks(row: dict[str, Any]) -> str:
    told = [f"{task['node']}: {task['told']}" for task in row["open_tasks"][:3]]
    more = len(row["open_tasks"]) - len(told)
    return "\n".join([*told, f"and {more} more"] if more > 0 else told) or "none yet"
