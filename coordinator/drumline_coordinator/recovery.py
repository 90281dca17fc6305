"""Recovery: a run machine from the log of its run. Pure.

The log is the run's state: facts carry cells as they were committed and writes as they were made, so nothing is
computed again, no reducer runs twice, and a new owner of the partition continues where the last commit left off. What
the log does not tell (which planned tasks have an entry in a task stream) stands in the run record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from drumline_coordinator.fold import fold
from drumline_coordinator.fold_tasks import fold_dispatch, fold_requeue
from drumline_coordinator.loading import graph_at
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import DELAYED, OPEN, PLANNED
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_protocol.facts import Fact
from drumline_protocol.messages import RunShared


def attempt_key(task: str, attempt: int) -> str:
    """The name of an attempt in the run record, where the id of its stream entry and its token's digest stand."""
    return f"{task}:{attempt}"


def recover(
    program: Program,
    shared: RunShared,
    facts: Iterable[Fact],
    attempts: Collection[str],
    codec: Codec | None = None,
    thread: ThreadRun | None = None,
) -> Run:
    """The machine as it was after the last of `facts`. `attempts` are the keys of those that have a stream entry.

    `codec` writes for the cell store, if there is one. `thread` is what the run knows of the thread that it is on.
    """
    run = Run(graph_at(program, shared.ns), shared, ns=shared.ns, wire=True, codec=codec, thread=thread)
    state = run.state
    for fact in facts:
        fold(state, fact)
    for task in list(state.tasks.values()):
        if task.status not in OPEN or not task.runs_on_worker:
            continue
        if attempt_key(task.id, task.attempt) in attempts:
            if not task.is_sent:
                fold_dispatch(state, [task])
        elif (
            task.status is not PLANNED and task.status is not DELAYED
        ):  # parked, or its entry was lost: the new owner tries it again
            fold_requeue(state, [task])
    return run
