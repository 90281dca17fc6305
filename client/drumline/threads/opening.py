"""From a call to what its run is told of its thread. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumline_coordinator.thread_config import configurable_shown, metadata_kept, thread_id_of, thread_run_of
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_graph.types import StateUpdates

if TYPE_CHECKING:
    from drumline.call import Call
    from drumline_worker.job import JobThread


def thread_run(program: Program, call: Call) -> ThreadRun:
    """What the run of a graph that has a saver is told of its thread. ValueError if the call names no thread."""
    thread = thread_id_of(call.config)
    if thread is None:
        raise ValueError(
            "Checkpointer requires one or more of the following 'configurable' keys: thread_id, checkpoint_ns, "
            f"checkpoint_id. Call graph {program.name!r} with config={{'configurable': {{'thread_id': ...}}}}."
        )
    return thread_run_of(thread, call.config, updates=isinstance(call.input, StateUpdates))


def thread_run_below(above: JobThread, call: Call) -> ThreadRun:
    """The same for a graph that the code of a node calls."""
    return ThreadRun(
        above.id,
        addressed=above.addressed,
        replay=above.replay,
        resumes=above.resumes,
        answers=above.answers,
        single=above.single,
        parents=dict(above.parents),
        metadata=metadata_kept(call.config),
        configurable=configurable_shown(call.config.get("configurable") or {}, above.id),
    )
