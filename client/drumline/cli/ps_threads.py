"""`drumline ps --threads`: which threads there are, how they stand, and what they wait for."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drumline.cli.kept_here import FILE, threads_here
from drumline.cli.tables import new_console, span, table
from drumline.cli.thread_words import told_of
from drumline.settings import Settings, UsageError
from drumline_protocol.presence import printable
from drumline_protocol.threads import BUSY, FAILED, PAUSED

if TYPE_CHECKING:
    from drumline.cluster import Cluster


def run(args: Namespace) -> int:
    """Print the threads, as a table or as a JSON list; with `--stale` those that the graphs of today cannot go on with.

    Without a cluster: those of the folder's file. UsageError for `--stale` without apps.
    """
    settings = Settings(args)
    try:
        url = settings.broker()
    except UsageError:
        if not FILE.is_file() or args.stale:
            raise
        rows = threads_here(args.runs)
    else:
        from drumline.cluster import Cluster

        with Cluster(url, prefix=settings.prefix()) as cluster:
            rows = _stale(cluster, settings) if args.stale else threads_of_cluster(cluster, args.runs)
    if args.json:
        print(json.dumps(rows, indent=2 if sys.stdout.isatty() else None))
    else:
        _print(rows, is_stale=args.stale)
    return 0


def threads_of_cluster(cluster: Cluster, count: int) -> list[dict[str, Any]]:
    """`{"thread_id", "graph", "status", "updated_ms", "waits_for"}` of the threads that changed last, in words."""
    from drumline.cluster.thread_store import ClusterThreads

    store = ClusterThreads(cluster.link)
    found = []
    for row in cluster.threads.list(limit=count):
        waits = ""
        if row["status"] == BUSY:
            waits = f"run {row['run_id']}" + (f", {len(row['queued'])} more wait" if row["queued"] else "")
        elif row["status"] in (PAUSED, FAILED):
            saved = store.get(row["thread_id"], "")
            waits = "" if saved is None else told_of(saved)
        found.append(_row(row, waits))
    return found


def _stale(cluster: Cluster, settings: Settings) -> list[dict[str, Any]]:
    from drumline.apps import load_programs
    from drumline.graph.compiled import CompiledStateGraph

    programs = load_programs(settings.apps(), version=settings.version())
    graphs: dict[str, Any] = {name: CompiledStateGraph(program) for name, program in programs.items()}
    return [_row(row, printable("; ".join(row["why"]))) for row in cluster.threads.stale(graphs)]


def _row(row: Mapping[str, Any], waits: str) -> dict[str, Any]:
    names = {name: printable(row[name]) for name in ("thread_id", "graph")}
    return {**names, "status": row["status"], "updated_ms": row["updated_ms"], "waits_for": waits}


def _print(rows: list[dict[str, Any]], *, is_stale: bool) -> None:
    table(
        new_console(),
        "threads that cannot go on" if is_stale else "threads",
        rows,
        {
            "id": lambda row: row["thread_id"],
            "graph": lambda row: row["graph"] or "?",
            "status": lambda row: row["status"],
            "age": lambda row: span(max(0.0, time.time() - row["updated_ms"] / 1000)),
            "why" if is_stale else "waits for": lambda row: row["waits_for"] or "nothing",
        },
    )
