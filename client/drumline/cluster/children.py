"""Runs that a node starts on a cluster: what they take over of its config, their id, and how they end with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from drumline.call_config import is_of_task
from drumline.cluster.link import Link, thread_held, thread_id_in
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError, UnknownRun
from drumline_protocol.ids import derive_run_id, home_of
from drumline_protocol.messages import RunRequest
from drumline_protocol.request_digest import digest_of
from drumline_protocol.running import current

if TYPE_CHECKING:
    from drumline.cluster.places import Place
    from drumline_worker.context import TaskContext
    from drumline_worker.job import Fate

#: keys of `configurable` and `metadata` that say where the caller's task stands, beside all that begin like these
_OF_A_TASK = frozenset({"checkpoint_ns", "checkpoint_id", "checkpoint_map"})
_INTERNAL = ("__", "langgraph_")


class Caller:
    """The node that starts a run, as far as the run's stream must know it."""

    def __init__(self, context: TaskContext, link: Link, place: Place | None = None) -> None:
        self.place = place
        self._fate: Fate | None = context.job.fate
        self._run_id = context.job.shared.run_id
        self._link = link

    @property
    def gone(self) -> bool:
        """Whether the node is for nothing: its run has ended, or another worker has its task. Sync code is not told."""
        return self._fate is not None and self._fate.cancelled

    def cancels(self, cancel: Callable[[], None]) -> Callable[[], None]:
        """`cancel`, unless another worker has the node's task by then: that one reads the run on."""

        def unless_lost() -> None:
            if self._fate is None or not self._fate.lost or not self._is_open():
                cancel()

        return unless_lost

    def _is_open(self) -> bool:
        """A worker loses a task also when the run is over, and may notice that first."""
        with suppress(UnknownRun):
            return self._link.record(self._run_id).get("status") == b"open"
        return False

    def waits(self, begins: bool) -> None:
        """The node begins, or ends, to wait for its run: meanwhile its worker may take another task."""
        if self._fate is not None:
            self._fate.waits(begins)


def travelling(config: Mapping[str, Any], caller: TaskContext | None) -> dict[str, Any]:
    """What of a config goes to another process: all that its user wrote, and nothing of what engines keep in it.

    For a call out of a node, drumline's or LangGraph's, that also leaves out where the node stands. The id of the
    node's run is not the new one's: it becomes `metadata["parent_run_id"]`.
    """
    inside = caller is not None or is_of_task(config)
    left_out = _OF_A_TASK if inside else frozenset()
    out = dict(config)
    if "configurable" in out:
        own = out["configurable"].items()
        out["configurable"] = {k: v for k, v in own if not str(k).startswith("__") and k not in left_out}
    if not inside:
        return out
    metadata = (out.get("metadata") or {}).items()
    out["metadata"] = {k: v for k, v in metadata if k not in left_out and not str(k).startswith(_INTERNAL)}
    if caller is not None:
        parent = caller.job.shared.run_id
        out["metadata"]["parent_run_id"] = parent
        if str(out.get("run_id")) == parent:
            del out["run_id"]
    return out


def holder_of_thread(caller: TaskContext, config: Mapping[str, Any]) -> str:
    """The run of a node on a worker, if what it starts with `config` names that run's own thread; "" else.

    The new run is within that one, however deep: on the thread it would wait for ever.
    """
    job, thread = _task_of_run(caller).job, thread_id_in(config)
    is_within = thread is not None and thread == thread_id_in(job.shared.config)
    return job.shared.run_id if is_within and job.fate is not None and job.fate.repeats else ""


def is_within_holder(config: Mapping[str, Any]) -> bool:
    """Whether this is code of a node on a worker, and `config` names the thread that the node's own run holds."""
    task = current.get()
    return task is not None and bool(holder_of_thread(task, config))


def _task_of_run(caller: TaskContext) -> TaskContext:
    """The task of the run itself in whose code `caller` runs: it may be of a graph that a node called."""
    while caller.job.fate is not None and caller.job.fate.above is not None:
        caller = caller.job.fate.above
    return caller


def child_run_id(caller: TaskContext, request: RunRequest, codec: Codec) -> str | None:
    """The id of a run that a node on a worker starts: the same for each attempt of its task; None elsewhere.

    So an attempt that follows one whose worker died joins the run which that one started, if it asks for the same.
    """
    context = _task_of_run(caller)  # ids within a graph that the node called are new in each attempt
    job = context.job
    if job.fate is None or not job.fate.repeats:
        return None
    try:
        digest = digest_of(request, codec.encode(request.input), codec)
    except EncodeError:  # told when the run is to begin
        return None
    key = f"{request.graph} {digest}"
    if context.cluster_calls is None:
        context.cluster_calls = {}
    number = next(context.cluster_calls.setdefault(key, count()))
    if job.tries > 1:  # its node failed and is tried again, and so is what that node had begun
        key = f"{job.tries} {key}"
    thread = thread_held(request)
    return derive_run_id(job.shared.run_id, f"{job.task} {number} {key}", None if thread is None else home_of(thread))
