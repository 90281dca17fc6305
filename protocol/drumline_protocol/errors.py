"""Errors of the wire and of the cluster. Each class docstring is the page of the manual for that
error.

    DrumlineError               everything that drumline raises (drumline_graph.errors)
      WireError                 bytes and values
        EncodeError             a value cannot be sent                (fault: what made the value)
        DecodeError             bytes are not what we write           (fault: who wrote them)
        ProtocolTooNew          an entry of a newer drumline          (fault: the deployment)
      ClusterError              the cluster as a whole
        NoBroker                Redis does not answer                 (fault: address, network)
        EvictingBroker          Redis may delete what it should keep  (fault: Redis' settings)
        PartitionMismatch       another number of partitions          (fault: our settings)
        NoCoordinator           nobody accepts runs                   (fault: the deployment)
          NoCluster             no coordinator was ever there         (fault: the deployment, or the prefix)
          NotDeleted            nobody deletes a run                  (fault: the deployment)
        NoWorker                nobody takes tasks: a warning         (fault: the deployment)
        UnknownGraph            no worker holds such a graph          (fault: name or deployment)
        GraphMismatch           workers hold another version of it    (fault: the deployment)
        WriterBlocked           more events than Redis takes          (fault: load)
      RunError                  one run
        InvalidRequest            a run was asked for in a way that cannot be     fault: the client
        RunIdTaken              that id names another run             (fault: the caller)
        UnknownRun              there is no run of that id            (fault: the id, or too late)
        RunExpired              its log was there, and is gone        (fault: the reader: too late)
        LogGap                  a part of its log is gone             (fault: data lost)
        InvalidPosition         a position that we did not give out   (fault: the caller)
        ModeNotRecorded         the run does not record that mode     (fault: the caller)
        LangChainMissing        a message that cannot be read here    (fault: the installation)
        RunCancelled            somebody ended the run                (nobody's fault)
        TaskAbandoned           each worker that began it vanished    (fault: node, or machine)
        PoisonedRun             the run kills its coordinator         (fault: drumline; report it)
        DamagedRun              what Redis holds of it is not whole   (fault: Redis, or who wrote to it)
        RunTooLong              it has written more than a run may    (fault: the node, or the bound)
        RemoteError             a class that is not known here        (fault: the node)

Every class can be built again from its `args`, which are plain data: so it crosses the wire and is
raised on the client as what it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from drumline_graph.errors import DrumlineError


def _names(names: Sequence[str], none: str = "none") -> str:
    """Names for a sentence: quoted, with commas, at most twenty of them."""
    shown = ", ".join(repr(name) for name in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return (shown or none) + more


# -- bytes and values ------------------------------------------------------------------------------


class WireError(DrumlineError):
    """Root of the errors about bytes and values that cross between processes."""


class EncodeError(WireError):
    """A value cannot be sent to another process: its type is not known to drumline, or it exceeds a
    bound.

    `path` leads to the culprit inside the value (`state['docs'][3].handle`), `type_name` is its
    type. Nothing was sent. Either turn the culprit into data (ids, dicts, bytes, text), or tell
    drumline how to write it with `drumline.types.register(T, to_fields=..., from_fields=...)`, or
    keep it out of the state: open files, sockets, clients and locks belong into the process that
    uses them, not into a graph's state.
    """

    def __init__(self, path: str, type_name: str, reason: str) -> None:
        super().__init__(path, type_name, reason)
        self.path = path
        self.type_name = type_name
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot encode {self.path} of type {self.type_name}: {self.reason}"


class DecodeError(WireError):
    """Bytes from outside are not what drumline writes, or exceed a bound. Nothing of them was used.

    Something else wrote to drumline's keys, or an entry was damaged. `size` is the number of bytes.
    The entry is set aside by the services; if it came back after a restart, look for another
    program that shares the key prefix.
    """

    def __init__(self, reason: str, size: int = 0) -> None:
        super().__init__(reason, size)
        self.reason = reason
        self.size = size

    def __str__(self) -> str:
        return f"cannot decode {self.size} bytes: {self.reason}"


class ProtocolTooNew(WireError):
    """A newer drumline than this one wrote an entry, or raised the version that the cluster speaks.

    Upgrade this process. In a rolling deployment raise the version (`drumline protocol --raise`) when no older process
    is left.
    """

    def __init__(self, found: int, spoken: int) -> None:
        super().__init__(found, spoken)
        self.found = found
        self.spoken = spoken

    def __str__(self) -> str:
        return (
            f"met an entry of protocol version {self.found}; this process speaks up to "
            f"{self.spoken}. Upgrade drumline here."
        )


# -- the cluster -----------------------------------------------------------------------------------


class ClusterError(DrumlineError):
    """Root of the errors about the cluster as a whole, whatever the run."""


def without_password(url: str) -> str:
    """The Redis URL with `***` in place of its password."""
    scheme, mark, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    if at:
        user, colon, _ = login.partition(":")
        rest = f"{user}:***@{host}" if colon else f"{user}@{host}"
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", f"{scheme}{mark}{rest}")


class NoBroker(ClusterError):
    """Redis cannot be reached, or refuses us. Nothing was started.

    `url` is the address that was tried (without password), `cause` what the connection said. Is
    Redis running there, and reachable from this machine? `drumline up` starts one for trying things
    out.
    """

    def __init__(self, url: str, cause: str) -> None:
        url = without_password(url)
        super().__init__(url, cause)
        self.url = url
        self.cause = cause

    def __str__(self) -> str:
        return f"no Redis at {self.url}: {self.cause.rstrip('.')}. Check the address, or start one with `drumline up`."


class EvictingBroker(ClusterError):
    """This Redis deletes keys when its memory is full, so it could silently lose accepted runs.

    `policy` is its `maxmemory-policy`. Set it to `noeviction` (`CONFIG SET maxmemory-policy
    noeviction`, or in the settings of a managed server), or give drumline a Redis of its own. With
    `noeviction` a full Redis refuses writes instead, which drumline turns into waiting.
    """

    def __init__(self, policy: str) -> None:
        super().__init__(policy)
        self.policy = policy

    def __str__(self) -> str:
        return (
            f"this Redis may delete what drumline keeps in it: maxmemory-policy is "
            f"{self.policy!r}. Set it to 'noeviction'."
        )


class PartitionMismatch(ClusterError):
    """This process was told another number of partitions than the cluster was created with.

    The number is fixed when a cluster is first used, since it decides where every thread lives.
    Leave the setting out (the stored number is then taken), or use another key prefix for a new
    cluster. To make this one anew with another number, give up all that it holds: stop every process
    of it, then delete its keys (`docs/deployment.md`, "Partitions").
    """

    def __init__(self, wanted: int, stored: int) -> None:
        super().__init__(wanted, stored)
        self.wanted = wanted
        self.stored = stored

    def __str__(self) -> str:
        return (
            f"this cluster has {self.stored} partitions, not {self.wanted}. Leave the number out, "
            "or choose another prefix; or stop all its processes and delete its keys, with every run in them "
            "(docs/deployment.md, Partitions)."
        )


class NoCoordinator(ClusterError):
    """No coordinator accepted the run in time. The request was withdrawn as far as we can tell.

    Start one with `drumline coordinator`, on any machine that reaches the same Redis with the same
    prefix; `drumline ps` shows who is there. A coordinator that starts later may still find the
    request and run it.
    """

    def __init__(self, waited_s: float, partition: int | None = None) -> None:
        super().__init__(waited_s, partition)
        self.waited_s = waited_s
        self.partition = partition

    def __str__(self) -> str:
        where = "" if self.partition is None else f" for partition {self.partition}"
        return (
            f"no coordinator{where} accepted the run within {self.waited_s:g} s. "
            "Start one with `drumline coordinator`; `drumline ps` shows who is there."
        )


class NoCluster(NoCoordinator):
    """Nothing lies in Redis under this key prefix: no coordinator was ever started there. Nothing was
    written.

    The first coordinator creates the cluster; workers, and calls that start a run, wait for that a
    while (`waited_s`; 0: this call did not wait, since it only looks). Start one with `drumline
    coordinator --app ...`, or check the prefix and the number of the database in the address.
    """

    def __init__(self, url: str, prefix: str, waited_s: float = 0) -> None:
        super().__init__(waited_s)
        self.url = without_password(url)
        self.prefix = prefix
        self.args = (self.url, prefix, waited_s)

    def __str__(self) -> str:
        waited = f" (waited {self.waited_s:g} s)" if self.waited_s else ""
        return (
            f"no cluster with prefix {self.prefix!r} in Redis at {self.url}{waited}: the first coordinator creates it. "
            "Start one with `drumline coordinator --app ...`, or check prefix and address."
        )


class NotDeleted(NoCoordinator):
    """No coordinator deleted the run in time, though it was asked to. It will be when one comes.

    `drumline ps` shows whether somebody holds the run's partition. A coordinator of an older version
    does not know how to.
    """

    def __init__(self, run_id: str, waited_s: float) -> None:
        super().__init__(waited_s)
        self.run_id = run_id
        self.args = (run_id, waited_s)

    def __str__(self) -> str:
        return (
            f"no coordinator deleted run {self.run_id!r} within {self.waited_s:g} s. "
            "Start one with `drumline coordinator`; `drumline ps` shows who is there."
        )


class NoWorker(ClusterError, UserWarning):
    """No worker is there that could run a task: none takes its pool, or none holds its graph. The
    run waits.

    Given as a warning, once a run and pool. Start a worker with `drumline worker --app ... --pool gpu`, `gpu` being the
    pool that the text names.
    """

    def __init__(self, pool: str, graph: str = "") -> None:
        super().__init__(pool, graph)
        self.pool = pool
        self.graph = graph

    def __str__(self) -> str:
        graph = f" and holds graph {self.graph!r}" if self.graph else ""
        return (
            f"no worker takes tasks of pool {self.pool!r}{graph}. The run waits until one comes: "
            f"`drumline worker --app ... --pool {self.pool}`."
        )


class UnknownGraph(ClusterError):
    """No worker holds a graph of that name. Nothing was started.

    `known` lists the names that are held. Check the spelling, or start a worker for the graph:
    `drumline worker module:graph`.
    """

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(name, list(known))
        self.name = name
        self.known = list(known)

    def __str__(self) -> str:
        return f"no worker holds a graph named {self.name!r}. Known are: {_names(self.known)}."


class GraphMismatch(ClusterError):
    """Workers hold a graph of that name, but not as it is here: nodes, edges, channels or reducers
    differ.

    `wanted` is the fingerprint of the graph in this process, `held` those of the workers. Usually
    one side runs older code: deploy the same version everywhere, or leave the graph object out and
    start it by name.
    """

    def __init__(self, name: str, wanted: str, held: Sequence[str] = ()) -> None:
        super().__init__(name, wanted, list(held))
        self.name = name
        self.wanted = wanted
        self.held = list(held)

    def __str__(self) -> str:
        return (
            f"graph {self.name!r} is {self.wanted!r} here, but workers hold {_names(self.held)}. "
            "Run the same code on both sides."
        )


class WriterBlocked(ClusterError):
    """A node emitted events faster than they could be sent, for so long that its writer gave up
    waiting.

    `pending_bytes` is what lay in the send buffer, `waited_s` how long the writer waited. Redis is
    slow, unreachable or full; or the node emits more than the network carries. Emit fewer or
    smaller events.
    """

    def __init__(self, waited_s: float, pending_bytes: int) -> None:
        super().__init__(waited_s, pending_bytes)
        self.waited_s = waited_s
        self.pending_bytes = pending_bytes

    def __str__(self) -> str:
        return (
            f"the worker could not send events for {self.waited_s:g} s; {self.pending_bytes} bytes "
            "are waiting. Is Redis reachable, and has it memory left?"
        )


# -- one run ---------------------------------------------------------------------------------------


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
        other = f"graph {self.graph!r}" if self.graph != self.held else f"another {' and '.join(self.differing)}"
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
    """The run is finished and its log has expired while, or before, you read it.

    Read earlier, or raise the time for which logs are kept (`ttl_s`, in seconds, is what it was).
    """

    def __init__(self, run_id: str, ttl_s: float = 0) -> None:
        super().__init__(run_id, ttl_s)
        self.run_id = run_id
        self.ttl_s = ttl_s

    def __str__(self) -> str:
        kept = f" Logs are kept for {self.ttl_s:g} s after the end of a run." if self.ttl_s else ""
        return f"the log of run {self.run_id!r} has expired.{kept}"


class LogGap(RunError):
    """Facts of the run's log that a reader needs are gone, or Redis has lost its latest part (a
    rewind).

    `wanted` is the number of the fact that should come next, `found` the one that came instead.
    After a rewind the run itself goes on from what was committed; join it again without a position
    to see it from a snapshot on.
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
    """The run does not record what the stream mode needs, so it cannot be shown, not even from now
    on.

    `stream()` records what its own modes ask for, and events of subgraphs only with `subgraphs=True`; a run that
    others shall join in other modes should be started with `start()`, which records all.
    """

    def __init__(self, modes: Sequence[str], recorded: Sequence[str]) -> None:
        super().__init__(list(modes), list(recorded))
        self.modes = list(modes)
        self.recorded = list(recorded)

    def __str__(self) -> str:
        return (
            f"the run does not record {_names(self.modes)}; it records {_names(self.recorded)}. "
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


class TaskAbandoned(RunError):
    """Every worker that began this task vanished before it answered, so it was not given out again.

    A node that kills its process does this (out of memory, a crash in native code), and so do
    machines that are taken away during long nodes. `attempts` says how often it was begun. Look at
    the workers' logs and memory.
    """

    def __init__(self, node: str, task: str, attempts: int) -> None:
        super().__init__(node, task, attempts)
        self.node = node
        self.task = task
        self.attempts = attempts

    def __str__(self) -> str:
        return (
            f"node {self.node!r} (task {self.task}) was begun {self.attempts} times, and each "
            "worker vanished without an answer. Look for out-of-memory kills or crashes in the "
            "workers' logs."
        )


class PoisonedRun(RunError):
    """Handling this run's messages brought its coordinator down again and again, so the run was
    failed.

    Other runs go on. This is a bug of drumline, or a reducer that ends its process; please report
    it with `cause`.
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


class RunTooLong(RunError):
    """A run has written more events and state than one run may.

    The run ended as failed, so that it could not fill Redis and stop everybody else. A node that emits without end is
    the usual cause; if the run is meant to be so large, raise the bound (`--run-log-bytes` of the coordinators).
    """

    def __init__(self, run_id: str, bytes_max: int) -> None:
        super().__init__(run_id, bytes_max)
        self.run_id = run_id
        self.bytes_max = bytes_max

    def __str__(self) -> str:
        return f"run {self.run_id} has written more than {self.bytes_max} bytes of events and state, the bound of a run"


class RemoteError(RunError):
    """A node raised an exception whose class this process was not given, so it cannot be rebuilt
    here.

    The text begins with the original class and message. To catch it as what it was, name its class:
    `Cluster(errors=[MyError])`, or use `graph.on(cluster)`, which knows the classes of the graph's
    module. `traceback_text` is the traceback on the worker.
    """

    def __init__(self, class_name: str, message: str, traceback_text: str = "") -> None:
        super().__init__(class_name, message, traceback_text)
        self.class_name = class_name
        self.message = message
        self.traceback_text = traceback_text

    def __str__(self) -> str:
        return f"{self.class_name}: {self.message}" if self.message else self.class_name
