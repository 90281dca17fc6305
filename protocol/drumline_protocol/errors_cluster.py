"""Errors about the cluster as a whole. Import them from `drumline_protocol.errors`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from drumline_graph.constants import DEFAULT_NAME
from drumline_graph.errors import DrumlineError
from drumline_protocol.broker_advice import broker_trouble
from drumline_protocol.names import listed


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

    `url` is the address that was tried (without password), `cause` what the connection said. The text says what that
    means: nobody listens, a password is wanted or wrong, rights are missing, TLS here and none there, no Redis at all.
    `drumline up` starts one for trying things out.
    """

    def __init__(self, url: str, cause: str) -> None:
        url = without_password(url)
        super().__init__(url, cause)
        self.url = url
        self.cause = cause

    def __str__(self) -> str:
        return broker_trouble(self.url, self.cause)


class EvictingBroker(ClusterError):
    """This Redis deletes keys when its memory is full, so it could silently lose accepted runs.

    `policy` is its `maxmemory-policy`. Set it to `noeviction` (`CONFIG SET maxmemory-policy noeviction`, or in the
    settings of a managed server), or give drumline a Redis of its own. With `noeviction` a full Redis refuses writes
    instead, which drumline turns into waiting.
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

    The number is fixed when a cluster is first used, since it decides where every thread lives. Leave the setting out
    (the stored number is then taken), or use another key prefix for a new cluster. To make this one anew with another
    number, give up all that it holds: stop every process of it, then delete its keys (`docs/deployment.md`,
    "Partitions").
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

    `waited_s` is short if no coordinator is registered at all, longer if one is there, or if the `drumline up` of this
    folder is still starting. Start one with `drumline coordinator`, on any machine that reaches the same Redis with the
    same prefix; `drumline ps` shows who is there. A coordinator that starts later may still find the request and run
    it.
    """

    def __init__(self, waited_s: float, partition: int | None = None, registered: int | None = None) -> None:
        super().__init__(waited_s, partition, *(() if registered is None else (registered,)))
        self.waited_s = waited_s
        self.partition = partition
        self.registered = registered

    def __str__(self) -> str:
        where = "" if self.partition is None else f" for partition {self.partition}"
        if self.registered == 0:
            return (
                f"no coordinator is registered in this cluster, and none came within {self.waited_s:g} s. Start one "
                "with `drumline coordinator --app ...`, or all that is needed with `drumline up app.py:graph`; "
                "`drumline ps` shows who is there."
            )
        return (
            f"no coordinator{where} accepted the run within {self.waited_s:g} s. "
            "Start one with `drumline coordinator`; `drumline ps` shows who is there."
        )


class NoCluster(NoCoordinator):
    """Nothing lies in Redis under this key prefix: no coordinator was ever started there. Nothing was written.

    The first coordinator creates the cluster; workers, and calls that start a run, wait for that a while (`waited_s`;
    0: this call did not wait, since it only looks). Start one with `drumline coordinator --app ...`, or check the
    prefix and the number of the database in the address.
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

    `drumline ps` shows whether somebody holds the run's partition. A coordinator of an older version does not know how
    to.
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
    """No worker is there that could run a task: none takes its pool, or none holds its graph. The run waits.

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
    """The coordinator serves no graph of that name, nor one of this graph's fingerprint under another name. Nothing was
    started.

    `known` lists the names that it serves. Check the spelling, or serve the graph: coordinators and workers are given
    `--app NAME=module:graph`. A graph that was compiled without a name is found by its fingerprint, which needs the
    same code on both sides; or name it: `compile(name=...)`, `graph.on(cluster, "name")`.
    """

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(name, list(known))
        self.name = name
        self.known = list(known)

    def __str__(self) -> str:
        if self.name == DEFAULT_NAME:
            return (
                f"this graph has no name, and no served graph is equal to it. Served are: {listed(self.known)}. "
                'Say which one it is: compile(name="..."), or graph.on(cluster, "..."); or serve it: '
                "`--app NAME=module:graph` of coordinators and workers."
            )
        return (
            f"no graph named {self.name!r} is served. Served are: {listed(self.known)}. Check the name, or serve it: "
            f"`--app {self.name}=module:graph` of coordinators and workers."
        )


class GraphMismatch(ClusterError):
    """The coordinator serves a graph of that name, but not as it is here: nodes, edges, channels, schemas or reducers
    differ.

    `wanted` is the fingerprint of the graph in this process, `held` those that are served, `served` describes the graph
    that is, and `differences` says what differs, one text each, as far as both sides are known. Usually one side runs
    older code: deploy the same version everywhere, or leave the graph object out and start it by name.
    """

    def __init__(
        self,
        name: str,
        wanted: str,
        held: Sequence[str] = (),
        served: Mapping[str, str] | None = None,
        differences: Sequence[str] = (),
    ) -> None:
        rest = (dict(served or {}), list(differences))
        super().__init__(name, wanted, list(held), *(rest if served or differences else ()))
        self.name = name
        self.wanted = wanted
        self.held = list(held)
        self.served, self.differences = rest

    def __str__(self) -> str:
        told = [
            f"graph {self.name!r} is version {self.wanted[:_DIGITS]} here, in the client, and the coordinator serves "
            f"{', '.join(held[:_DIGITS] for held in self.held) or 'none'}"
        ]
        if self.differences:
            more = len(self.differences) - _DIFFERENCES_MAX
            shown = "; ".join(self.differences[:_DIFFERENCES_MAX])
            told.append(f"they differ: {shown}" + (f"; and in {more} more things" if more > 0 else ""))
        advice = (
            "Run the same code on both sides, or start the one that is served by its name, without the graph object."
        )
        return f"{': '.join(told)}. {advice}"


_DIGITS, _DIFFERENCES_MAX = 12, 8


class ThreadMismatch(GraphMismatch):
    """Thread `thread` cannot go on with the graph as it is now: it stands at checkpoint `checkpoint` (in namespace
    `ns`), which another version of the graph has made. Nothing was changed.

    `differences` names the nodes and fields, one text each: a node that is to run next and is not there any more, a
    field whose value cannot be read. `held` is the beginning of the fingerprint of the version that made the
    checkpoint. Give `compile(migrate=...)` for fields; put the node back, or move the thread on with
    `update_state(config, values, as_node=...)`; a new input begins anew, and passes over what was to run.
    """

    def __init__(
        self,
        name: str,
        wanted: str,
        held: Sequence[str],
        thread: str,
        ns: str,
        checkpoint: str,
        differences: Sequence[str],
    ) -> None:
        super().__init__(name, wanted, held, None, differences)
        self.args = (name, wanted, list(held), thread, ns, checkpoint, list(differences))
        self.thread = thread
        self.ns = ns
        self.checkpoint = checkpoint

    def __str__(self) -> str:
        where = f"thread {self.thread!r}" + (f" (at {self.ns!r})" if self.ns else "")
        more = len(self.differences) - _DIFFERENCES_MAX
        told = "; ".join(self.differences[:_DIFFERENCES_MAX]) + (f"; and {more} more" if more > 0 else "")
        was = next((held for held in self.held if held), "unknown")
        return (
            f"{where} cannot go on with graph {self.name!r}: {told}. Checkpoint {self.checkpoint} is of version "
            f"{was[:_DIGITS]}, the graph is version {self.wanted[:_DIGITS]}. Give compile(migrate=...) for fields, put "
            "the node back, or move the thread on with update_state(config, values, as_node=...)."
        )


class WriterBlocked(ClusterError):
    """A node emitted events faster than they could be sent, for so long that its writer gave up waiting.

    `pending_bytes` is what lay in the send buffer, `waited_s` how long the writer waited. Redis is slow, unreachable or
    full; or the node emits more than the network carries. Emit fewer or smaller events.
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
