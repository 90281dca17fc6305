"""`drumline ps`: who is there, what waits, what runs."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import Any

from drumline.cli.survey import survey
from drumline.settings import Settings

#: columns of a line that goes to a pipe: nothing is cut off there
_PIPE_WIDTH = 240


def run(args: Namespace) -> int:
    """Print the survey: tables, or with `--json` one object (see `survey`)."""
    from drumline.cluster import Cluster

    settings = Settings(args)
    with Cluster(settings.broker(), prefix=settings.prefix()) as cluster:
        found = survey(cluster, runs_max=args.runs)
    if args.json:
        print(json.dumps(found, indent=2 if sys.stdout.isatty() else None))
    else:
        _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(f"[bold]{found['broker']}[/]  prefix {found['prefix']}  {found['partitions']} partitions")
    _table(
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
    _table(
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
    _table(
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
    _table(
        console,
        "open runs",
        found["runs"],
        {
            "id": lambda row: row["run_id"],
            "graph": lambda row: row["graph"],
            "age": lambda row: _span(row["age_s"]),
            "open tasks": _tasks,
        },
    )
    if found["failed"]:
        _table(
            console,
            "failed lately",
            found["failed"],
            {
                "id": lambda row: row["run_id"],
                "graph": lambda row: row["graph"] or "?",
                "ago": lambda row: _span(max(0.0, time.time() - row["at_ms"] / 1000)),
                "error": lambda row: row["error"],
            },
        )
    for line in found["unusable"]:
        console.print(f"  {line}", style="yellow", markup=False)
    if found["open_runs"] > len(found["runs"]):
        console.print(f"  {found['open_runs'] - len(found['runs'])} more: --runs N shows more of them")


def _table(console: Any, title: str, rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(f"\n[bold]{title}[/]" + ("" if rows else "  none"))
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "id"), overflow="fold")
    for row in rows:
        style = "" if row.get("alive", True) else "red"
        table.add_row(*(Text(str(cell(row)), style=style) for cell in columns.values()))
    console.print(table)


def _names(graphs: list[str]) -> str:
    return ", ".join(graphs[:4]) + (f" and {len(graphs) - 4} more" if len(graphs) > 4 else "")


def _heard(row: dict[str, Any]) -> str:
    told = f"{_span(row['age_ms'] / 1000)} ago"
    return told if row["alive"] else f"{told}: dead?"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _tasks(row: dict[str, Any]) -> str:
    told = [f"{task['node']}: {task['told']}" for task in row["open_tasks"][:3]]
    more = len(row["open_tasks"]) - len(told)
    return "\n".join([*told, f"and {more} more"] if more > 0 else told) or "none yet"
