"""Threads of runs without a cluster: an SQLite file in the current folder, and the graphs that run in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drumline.cli.thread_words import told_of
from drumline.settings import Settings, UsageError
from drumline.up_file import own_folder

#: where `drumline run app.py:graph --thread ID` keeps threads, beside what `drumline up` writes
FILE = Path(".drumline", "threads.db")


def names_app(graph: str) -> bool:
    """Whether `drumline run` is given an app to run here, and not the name of a graph that a cluster serves."""
    return ":" in graph or graph.endswith(".py")


@contextmanager
def graph_here(spec: str, settings: Settings, *, keeps: bool) -> Iterator[Any]:
    """The graph of an app, to be run in this process. `keeps`: its threads outlive it, in the folder's file, unless the
    graph has a saver of its own. UsageError for an app of several graphs, AppNotFound, AppFailed.
    """
    from drumline.apps import load_object, load_programs
    from drumline.graph.compiled import CompiledStateGraph

    programs = load_programs([spec], version=settings.version())
    if len(programs) != 1:
        raise UsageError(f"{spec!r} has {len(programs)} graphs ({', '.join(programs)}): name one of them")
    [program] = programs.values()
    own = load_object(spec.rpartition("=")[2])
    if getattr(own, "checkpointer", None):
        yield own
    elif keeps:
        with saver_here() as saver:
            yield CompiledStateGraph(program, checkpointer=saver)
    else:
        yield CompiledStateGraph(program)


@contextmanager
def saver_here() -> Iterator[Any]:
    """The saver of the folder's file, which is made if it is not there."""
    from drumline.checkpoint.sqlite import SqliteSaver

    own_folder()
    with SqliteSaver.from_conn_string(str(FILE)) as saver:
        yield saver


def threads_here(count: int) -> list[dict[str, Any]]:
    """The threads of the folder's file, as `threads_of_cluster` tells of them; those that changed last first."""
    from drumline.threads.encoder import Encoder
    from drumline.threads.encoding import saved_of
    from drumline.threads.packed_facts import decode_facts
    from drumline.threads.rows import Wanted
    from drumline_protocol.codec import Codec
    from drumline_protocol.threads import FAILED, IDLE, PAUSED

    found = []
    encoder = Encoder(Codec(), takes_objects=False)
    with saver_here() as saver:
        after = ""
        while threads := saver.rows.threads(after, 100):
            after = threads[-1]
            for thread in threads:
                row = next(iter(saver.rows.page(Wanted(thread, ""), 1)), None)
                if row is None or row.is_theirs:
                    continue
                saved = saved_of(encoder, None, saver.rows.fill(row))
                waits = told_of(saved)
                status = FAILED if waits.startswith("failed") else PAUSED if waits else IDLE
                at_ms = decode_facts(row.facts)["at"]
                graph = row.graph.partition(" ")[2]
                found.append(
                    {"thread_id": thread, "graph": graph, "status": status, "updated_ms": at_ms, "waits_for": waits}
                )
    return sorted(found, key=lambda row: -row["updated_ms"])[:count]
