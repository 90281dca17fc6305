"""From a call to what its run is told of its thread. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumline.checkpoint.base.types import get_checkpoint_metadata
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_graph.types import StateUpdates

if TYPE_CHECKING:
    from drumline.call import Call
    from drumline_worker.job import JobThread

#: keys of `configurable` that name a checkpoint
_PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


def thread_run(program: Program, call: Call) -> ThreadRun:
    """What the run of a graph that has a saver is told of its thread. ValueError if the call names no thread.

    A config that names a graph within is one of the root all the same, as in LangGraph: of its checkpoints those in
    `checkpoint_map` count.
    """
    configurable = call.config.get("configurable") or {}
    thread = configurable.get("thread_id")
    if thread is None:
        raise ValueError(
            "Checkpointer requires one or more of the following 'configurable' keys: thread_id, checkpoint_ns, "
            f"checkpoint_id. Call graph {program.name!r} with config={{'configurable': {{'thread_id': ...}}}}."
        )
    ns, id_ = configurable.get("checkpoint_ns") or "", configurable.get("checkpoint_id")
    named = dict(configurable.get("checkpoint_map") or {})
    parents = dict(named)
    if id_ and (not ns or isinstance(call.input, StateUpdates)):
        named.setdefault(ns, id_)
    return ThreadRun(
        str(thread),
        addressed=named,
        is_strict=bool(configurable.get("__pregel_strict_resume")),
        parents=parents,
        metadata=_metadata(call),
        configurable={**_shown(configurable, str(thread)), **({"checkpoint_map": parents} if parents else {})},
    )


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
        metadata=_metadata(call),
        configurable=_shown(call.config.get("configurable") or {}, above.id),
    )


def _metadata(call: Call) -> dict[str, Any]:
    """What checkpoints say of the run: what LangGraph's savers take of a config, without what drumline puts there."""
    found = get_checkpoint_metadata(call.config, {})
    return {key: value for key, value in found.items() if key not in _PLACE and not key.startswith("langgraph_")}


def _shown(configurable: Any, thread: str) -> dict[str, Any]:
    own = {k: v for k, v in configurable.items() if not k.startswith("__") and k not in _PLACE}
    return {**own, "thread_id": thread}
