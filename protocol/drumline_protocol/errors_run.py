"""Errors about one run, or about reading its log. Import them from `drumline_protocol.errors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_graph.errors import DrumlineError
from drumline_protocol.names import listed


class RunError(DrumlineError):
    """Root of the errors about one run, or about reading its log."""


class InvalidRequest(RunError, ValueError):
    """A run was asked for in a way that no run can be started from: the text names each field and its fault.

    Nothing was started. Calls of this client's own version check their arguments first, so this means a client of
    another version, or one that is not drumline's.
    """

    def __init__(self, faults: str) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return f"the run request cannot be: {self.faults}"


class RunIdTaken(RunError, ValueError):
    """A run of that id is there, and was begun by another request. Nothing was started, and that run is left alone.

    `graph` is the graph that was asked for, `held` that of the run which has the id, and `differing` names what differs
    (`graph`, `version of the graph`, `input`, `config`, `context`). A run id is the key of one request: the same
    request again joins the run and gets its answer, until the run is deleted or expires. Leave `run_id` out, or make a
    new one for each input; `cluster.join(run_id)` reads the run that is there.
    """

    def __init__(self, run_id: str, graph: str, held: str, differing: Sequence[str]) -> None:
        super().__init__(run_id, graph, held, list(differing))
        self.run_id = run_id
        self.graph = graph
        self.held = held
        self.differing = list(differing)

    def __str__(self) -> str:
        other = f"graph {self.graph!r}" if "graph" in self.differing else f"another {' and '.join(self.differing)}"
        return (
            f"run id {self.run_id!r} is taken: it names a run of graph {self.held!r}, and this call asks for {other}. "
            "Leave run_id out, or use a new one for each request; join(run_id) reads the run that is there, "
            "delete(run_id) frees its id."
        )


class UnknownRun(RunError):
    """There is no run of that id in this cluster: it never was, or its log has expired."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return (
            f"no run {self.run_id!r} in this cluster. Check the id and the key prefix; logs of "
            "finished runs expire after a set time."
        )


class RunExpired(RunError):
    """The run's log is not there any more: it has expired, it was deleted, or Redis has lost it.

    A log expires some time after its run's end (`ttl_s`, in seconds, if it is known). A run that was accepted a moment
    before a failover, or before a restart without its last writes, may be lost as a whole: start it again
    (`docs/deployment.md`, "What a failover may lose").
    """

    def __init__(self, run_id: str, ttl_s: float = 0) -> None:
        super().__init__(run_id, ttl_s)
        self.run_id = run_id
        self.ttl_s = ttl_s

    def __str__(self) -> str:
        kept = f" Logs are kept for {self.ttl_s:g} s after the end of a run." if self.ttl_s else ""
        return (
            f"the log of run {self.run_id!r} is not there any more: it has expired, was deleted, or Redis lost its "
            f"latest writes in a failover or a restart.{kept}"
        )


class LogGap(RunError):
    """Facts of the run's log that a reader needs are gone, or Redis has lost its latest part (a rewind).

    `wanted` is the number of the fact that should come next, `found` the one that came instead. After a rewind the run
    itself goes on from what was committed; join it again without a position to see it from a snapshot on.
    """

    def __init__(self, run_id: str, wanted: int, found: int) -> None:
        super().__init__(run_id, wanted, found)
        self.run_id = run_id
        self.wanted = wanted
        self.found = found

    def __str__(self) -> str:
        return (
            f"the log of run {self.run_id!r} should go on with fact {self.wanted}, but goes on "
            f"with {self.found}: entries are lost. Join the run again without a position."
        )


class LogTrimmed(LogGap):
    """The part of a long run's log that a reader needs is kept no longer: nothing was lost by accident.

    A coordinator keeps about the latest `--run-log-bytes` of a run's log. `wanted` is the number of the fact that
    should come next, `found` that of the first which is left. `position` is the earliest place to begin a stream:
    `join(run_id, after=error.position)`. The run itself and its `result` are not touched.
    """

    def __init__(self, run_id: str, wanted: int, found: int, position: str) -> None:
        super().__init__(run_id, wanted, found)
        self.args = (run_id, wanted, found, position)
        self.position = position

    def __str__(self) -> str:
        return (
            f"the log of run {self.run_id!r} is trimmed, for it is long: it begins with fact {self.found} now, and "
            f"fact {self.wanted} is needed. Join the run at position {self.position!r}, the earliest that is left; or "
            "wait for its result."
        )


class InvalidPosition(RunError, ValueError):
    """The position is not one that a stream of this run gave out.

    Positions are opaque: pass on exactly what `stream.position` was, together with its `run_id`.
    """

    def __init__(self, position: str, reason: str) -> None:
        position = position if len(position) <= 100 else position[:100] + "..."
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.position!r} is no position in this run's stream: {self.reason}."


class ModeNotRecorded(RunError, ValueError):
    """The run does not record what the stream mode needs, so it cannot be shown, not even from now on.

    `stream()` records what its own modes ask for, and events of subgraphs only with `subgraphs=True`; a run that others
    shall join in other modes should be started with `start()`, which records all.
    """

    def __init__(self, modes: Sequence[str], recorded: Sequence[str]) -> None:
        super().__init__(list(modes), list(recorded))
        self.modes = list(modes)
        self.recorded = list(recorded)

    def __str__(self) -> str:
        return (
            f"the run does not record {listed(self.modes)}; it records {listed(self.recorded)}. "
            "Start it with start(), which records all, or with a stream() that asks for it."
        )


class LangChainMissing(RunError, ModuleNotFoundError):
    """A stream has a LangChain message to show, and langchain-core is not installed where it is read.

    `kind` is the name of the message's class.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.name = "langchain_core"

    def __str__(self) -> str:
        return (
            f"stream_mode='messages' got a LangChain message ({self.kind}), and langchain-core is not installed "
            'here: pip install "drumline[langchain]"'
        )


class RunCancelled(RunError):
    """The run was ended before it had finished: by `cancel`, or because its stream was closed."""

    def __init__(self, run_id: str, reason: str = "") -> None:
        super().__init__(run_id, reason)
        self.run_id = run_id
        self.reason = reason

    def __str__(self) -> str:
        return f"run {self.run_id!r} was cancelled" + (f": {self.reason}" if self.reason else "")


class UnknownThread(RunError):
    """There is no thread of that id in this cluster: no run was ever on it, or it was deleted."""

    def __init__(self, thread: str) -> None:
        super().__init__(thread)
        self.thread = thread

    def __str__(self) -> str:
        return f"there is no thread {self.thread!r}"


class ThreadExists(RunError):
    """A thread was to be made, and one of that id is there.

    What to do: take another id, or say that one which is there is as good (`if_exists="do_nothing"`).
    """

    def __init__(self, thread: str) -> None:
        super().__init__(thread)
        self.thread = thread

    def __str__(self) -> str:
        return f"there is a thread {self.thread!r} already"


class ThreadBusy(RunError):
    """Another run holds the thread, and the caller asked for `multitask_strategy="reject"` or a change from outside.

    `run` is its id: wait for it with `cluster.result(run)`, end it with `cluster.cancel(run)`, or let the new run wait
    for it (`enqueue`), stop it (`interrupt`) or take back what it did (`rollback`).
    """

    def __init__(self, thread: str, run: str) -> None:
        super().__init__(thread, run)
        self.thread = thread
        self.run = run

    def __str__(self) -> str:
        return (
            f"thread {self.thread!r} is busy with run {self.run!r}: wait for it, cancel it, or pass "
            "multitask_strategy='enqueue', 'interrupt' or 'rollback'"
        )


class ThreadMoved(RunError):
    """A thread was to be changed from outside, and stands at another checkpoint than the change was made for.

    Somebody else was faster: read the state again, and make the change again.
    """

    def __init__(self, thread: str, head: str, expected: str) -> None:
        super().__init__(thread, head, expected)
        self.thread = thread
        self.head = head
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"thread {self.thread!r} stands at checkpoint {self.head or 'none'}, not at {self.expected or 'none'}: "
            "read its state again, and make the change again"
        )


class TaskLost(RunError):
    """No worker that began this task came to an answer, so it was not given out again.

    A node that kills its process does this (out of memory, a crash in native code), and so do machines that are taken
    away during long nodes. After two lost workers the task ran alone, so that no other task was the cause. `attempts`
    says how often it was begun, `reason` what became of the last attempt. Look at the workers' logs and memory.
    """

    def __init__(self, node: str, task: str, attempts: int, reason: str = "") -> None:
        super().__init__(node, task, attempts, reason)
        self.node = node
        self.task = task
        self.attempts = attempts
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"node {self.node!r} (task {self.task}) was begun {self.attempts} times, and no worker "
            f"came to an answer{f'; of the last it is known that {self.reason}' if self.reason else ''}. Look for "
            "out-of-memory kills or crashes in the workers' logs."
        )


class PoisonedRun(RunError):
    """Handling this run's messages brought its coordinator down again and again, so the run was failed.

    Other runs go on. This is a bug of drumline, or a reducer that ends its process; please report it with `cause`.
    """

    def __init__(self, run_id: str, tries: int, cause: str = "") -> None:
        super().__init__(run_id, tries, cause)
        self.run_id = run_id
        self.tries = tries
        self.cause = cause

    def __str__(self) -> str:
        cause = f" ({self.cause})" if self.cause else ""
        return f"run {self.run_id!r} was failed: it brought its coordinator down {self.tries} times{cause}"


class DamagedRun(RunError):
    """What Redis holds of a run is not whole: its record or a part of its log is gone, or was changed.

    The run ended as failed, since nobody can say how it would have gone on. Look for whoever deletes or writes keys
    under drumline's prefix, and at the settings of Redis (`maxmemory-policy`, `appendfsync`).
    """

    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(run_id, reason)
        self.run_id = run_id
        self.reason = reason

    def __str__(self) -> str:
        return f"run {self.run_id} cannot go on, what Redis holds of it is damaged: {self.reason}"


class RemoteError(RunError):
    """A node raised an exception whose class this process was not given, so it cannot be rebuilt here.

    The text begins with the original class and message. To catch it as what it was, name its class:
    `Cluster(errors=[MyError])`, or use `graph.on(cluster)`, which knows the classes of the graph's module.
    `traceback_text` is the traceback on the worker, `attributes` what the exception held, as far as it crossed.
    """

    def __init__(self, class_name: str, message: str, traceback_text: str = "") -> None:
        super().__init__(class_name, message, traceback_text)
        self.class_name = class_name
        self.message = message
        self.traceback_text = traceback_text
        self.attributes: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.class_name}: {self.message}" if self.message else self.class_name
