"""Runs that a node starts on a cluster: what they take over of its config, their id, and how they end with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from drumline.call_config import is_of_task
from drumline.cluster.link import Link, thread_held, thread_id_in
from drumline_graph.errors import GraphInterrupt
from drumline_protocol.checkpoint_ids import NEXT, next_checkpoint_id
from drumline_protocol.checkpoints import LOOP, Checkpoint, joined_ns
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError, UnknownRun
from drumline_protocol.facts import RunFinished
from drumline_protocol.graph_paths import RUN_AT
from drumline_protocol.ids import derive_run_id, home_of
from drumline_protocol.messages import RunRequest, TaskThread
from drumline_protocol.request_digest import digest_of
from drumline_protocol.running import current
from drumline_protocol.wire import decode_interrupts

if TYPE_CHECKING:
    from drumline_worker.context import TaskContext
    from drumline_worker.job import Fate, JobThread

#: keys of `configurable` and `metadata` that say where the caller's task stands, beside all that begin like these
_OF_A_TASK = frozenset({"checkpoint_ns", "checkpoint_id", "checkpoint_map"})
_INTERNAL = ("__", "langgraph_")

#: the cell that has the rows of a run, in the row that travels with the task
_ROWS = "__run__"


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


class Place:
    """The place of a run among those that a task's code waits for: what an earlier one has left there, what this does.

    The run is on no thread. It begins where the one at its place has stopped when the task ran before, as a graph does
    that is called in the task's own process: by the number of the call, whatever its input is.
    """

    def __init__(self, caller: TaskContext, thread: JobThread) -> None:
        job = caller.job
        if caller.runs_begun is None:
            caller.runs_begun = count()
        self._thread = thread
        self._ns = joined_ns((*job.ns, f"{job.node.name}:{job.task}", f"{RUN_AT}{next(caller.runs_begun)}"))
        self._last = ""

    def below(self) -> TaskThread:
        """What the run is told: the rows of the one before, and answers to questions."""
        thread = self._thread
        saved = thread.store.get(thread.id, self._ns)
        rows: list[bytes] = []
        if saved is not None:
            self._last, rows = saved.checkpoint.id, list(saved.checkpoint.cells[_ROWS])
        answers = {id_: answer for id_, answer in thread.answers.items() if id_ != NEXT}
        return TaskThread("", {}, thread.resumes, answers, rows, single=thread.single)

    def keep(self, run_id: str, end: RunFinished) -> None:
        """The run has ended. GraphInterrupt if it asks: so does the task, and what the run has left travels with it."""
        if end.rows:
            now_ms = time.time() * 1000
            id_ = next_checkpoint_id(self._last, now_ms, run_id)
            row = Checkpoint(id_, self._ns, self._last, LOOP, 0, now_ms, {_ROWS: list(end.rows)}, {}, {})
            self._thread.store.save(self._thread.id, [row])
        if end.status == "paused" and end.error is None:
            raise GraphInterrupt(tuple(decode_interrupts(end.interrupts)))


def place_for(caller: TaskContext) -> Place | None:
    """The place of the run that a task's code begins just now, and waits for; None if nothing keeps what it leaves."""
    thread = caller.job.thread
    return None if thread is None or thread.rows is None else Place(caller, thread)


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
