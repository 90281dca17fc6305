"""A client's link to its cluster: the connection, the codec, and the few messages that a client sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drumline.cluster.attendance import GRACE_MS, is_in_vain, is_over
from drumline.cluster.leaving import Canceller
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import EncodeError, NoCluster, NoCoordinator, NotDeleted, RunExpired, UnknownRun
from drumline_protocol.facts import RunFinished, RunStarted
from drumline_protocol.failure import rebuild
from drumline_protocol.graph_codecs import table_of
from drumline_protocol.ids import partition_of, partition_of_run
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS, DELETE_TIMEOUT_MS
from drumline_protocol.messages import (
    CancelRun,
    DeleteRun,
    DeleteThread,
    DescribeThread,
    DrainRun,
    PruneThread,
    RunRequest,
    ThreadSaves,
)
from drumline_protocol.request_digest import Asked, digest_of
from drumline_protocol.requests import check_names, check_run_id
from drumline_transport.after_fork import late_import, renew_after_fork

if TYPE_CHECKING:
    from drumline_transport.broker import AsyncLogReader, Broker, ClientVerbs

    OpensLog = Callable[[int, str], AsyncLogReader]


class Link:
    """Connects when first used. One link serves threads and event loops alike."""

    def __init__(self, url: str, prefix: str, types: Sequence[type], errors: Sequence[type[BaseException]]) -> None:
        self.url = url
        self.prefix = prefix
        self.errors = list(errors)
        self._types = TypeTable().with_types(types)
        self._codecs: dict[Program | None, Codec] = {}
        self._lock = threading.Lock()
        self._broker: Broker | None = None
        #: opens readers of logs for event loops, where one reader is shared by many (`read_logs_by`)
        self._opens_log: OpensLog | None = None
        #: ends the runs of streams that were dropped
        self.canceller = Canceller()
        #: set by `close`: ends the waits of calls in other threads
        self._closed = threading.Event()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock or waits. The broker drops its connections by itself."""
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def broker(self) -> ClientVerbs:
        """The broker, connected: what a client may ask of it. NoBroker, NoCluster, EvictingBroker, ProtocolTooNew."""
        return self.whole_broker()

    def whole_broker(self) -> Broker:
        """The same with the verbs of all roles: for tools."""
        with self._lock:
            if self._broker is None:
                with late_import():
                    from drumline_transport.redis_broker import connect

                self._broker = connect(self.url, prefix=self.prefix, name="client")
            return self._broker

    def alog_reader(self, p: int, run_id: str) -> AsyncLogReader:
        """A reader of a run's log for the running event loop."""
        opens = self._opens_log or self.broker().alog_reader
        return opens(p, run_id)

    def read_logs_by(self, opens: OpensLog | None) -> None:
        """Let event loops read logs by what `opens` gives from now on; None: by a connection for each reader."""
        self._opens_log = opens

    def await_cluster(self) -> None:
        """Wait for the first coordinator to create the cluster, as long as for the acceptance of a run. NoCluster."""
        if self._broker is not None:
            return
        with late_import():
            from drumline_transport.backoff import Pause

        closed, pause, began = self._closed, Pause(), time.monotonic()
        while True:
            try:
                self.broker()
                return
            except NoCluster:
                waited_s = time.monotonic() - began
                left = ACCEPT_TIMEOUT_MS / 1000 - waited_s
                if left <= 0 or closed.is_set() or is_over(self, waited_s * 1000):
                    raise NoCluster(self.url, self.prefix, round(waited_s, 1)) from None
            pause.wait(closed, left)

    def close(self) -> None:
        """Close all connections. The next use connects again."""
        self.canceller.flush()
        with self._lock:
            self._closed.set()
            self._closed = threading.Event()
            if self._broker is not None:
                self._broker.close()
                self._broker = None

    def codec(self, program: Program | None) -> Codec:
        """The codec that knows this client's types and those that the graph names."""
        codec = self._codecs.get(program)
        if codec is None:
            types = self._types if program is None else table_of(program, self._types)
            codec = self._codecs[program] = Codec(types)
        return codec

    # -- runs -----------------------------------------------------------------------------------------

    def partition(self, run_id: str, thread: str | None = None) -> int:
        """Where a run lives: with its thread, if it is on one. InvalidRequest for an id that no run can have."""
        check_run_id(run_id)
        partitions = self.broker().partitions
        return partition_of_run(run_id, partitions) if thread is None else partition_of(thread, partitions)

    def record(self, run_id: str, thread: str | None = None) -> dict[str, bytes]:
        """The record of a run. UnknownRun if there is none."""
        record = self.broker().load_run(self.partition(run_id, thread), run_id)
        if not record:
            raise UnknownRun(run_id)
        return record

    def submit(self, request: RunRequest, codec: Codec) -> str:
        """Put a run request into its inbox; returns its digest.

        EncodeError, with the path in it, for an input that cannot cross; InvalidRequest for a name that cannot be one.
        """
        check_names(request)
        self.await_cluster()
        codec.version = self.broker().protocol
        try:
            # The input is opened where the run begins: until then nobody has to decode it.
            box = codec.box(request.input, root="input")
            digest = digest_of(request, box.data, codec)
            data = wire.encode(codec, replace(request, input=box, digest=digest))
        except EncodeError:
            for part in ("input", "config", "context"):
                try:
                    codec.encode(getattr(request, part), root=part)
                except EncodeError as error:
                    raise error.at(f"a run of graph {request.graph!r}") from None
            raise
        self._ask(request.run_id, data, thread_held(request))
        return digest

    def _ask(self, run_id: str, data: bytes, thread: str | None) -> None:
        self.broker().submit(self.partition(run_id, thread), run_id, data)

    def ask_by(self, run_id: str, message: Any, thread: str | None = None) -> None:
        """Send a message that is answered, if at all, under the id of a run."""
        codec = self.codec(None)
        codec.version = self.broker().protocol
        self._ask(run_id, wire.encode(codec, message), thread)

    def cancel(self, run_id: str, reason: str, thread: str | None = None, *, takes_back: bool = False) -> None:
        """Ask for the end of a run, accepted or not. `takes_back`: and that nothing stays of it on its thread."""
        self.ask_by(run_id, CancelRun(run_id, reason, takes_back), thread)

    def drain(self, run_id: str, reason: str, thread: str | None = None) -> None:
        """Ask a run to stop at the end of its superstep."""
        self.ask_by(run_id, DrainRun(run_id, reason), thread)

    def delete(self, run_id: str, thread: str | None = None) -> None:
        """Ask for a run to be deleted and wait until nothing is left of it. UnknownRun, NotDeleted."""
        from drumline_transport.backoff import Pause

        self.record(run_id, thread)
        partition, broker = self.partition(run_id, thread), self.broker()
        self.ask_by(run_id, DeleteRun(run_id), thread)
        closed, pause, deadline = self._closed, Pause(), time.monotonic() + DELETE_TIMEOUT_MS / 1000
        log = broker.log_reader(partition, run_id)
        try:
            while broker.load_run(partition, run_id) or log.exists():
                left = deadline - time.monotonic()
                if left <= 0 or closed.is_set():
                    raise NotDeleted(run_id, DELETE_TIMEOUT_MS / 1000)
                pause.wait(closed, left)
        finally:
            log.close()

    def await_accepted(self, run_id: str, asked: Asked, thread: str | None = None) -> None:
        """Wait for the first fact of a run, and see that the run is the one that was `asked` for.

        NoCoordinator, after which the run is cancelled should it ever begin; RunIdTaken.
        """
        log = self.broker().log_reader(self.partition(run_id, thread), run_id)
        try:
            began, in_vain = time.monotonic(), False
            while not (entries := log.read("0-0", 1, min(ACCEPT_TIMEOUT_MS, GRACE_MS))):
                waited_s = time.monotonic() - began
                in_vain = is_in_vain(self, waited_s * 1000)
                if in_vain or waited_s * 1000 >= ACCEPT_TIMEOUT_MS:
                    self.cancel(run_id, "nobody accepted it in time", thread)
                    raise NoCoordinator(round(waited_s, 1), None, 0 if in_vain else None)
        finally:
            log.close()
        fact = wire.decode_facts(self.codec(None), entries[0].data)[0]
        if isinstance(fact, RunStarted):
            asked.check(run_id, fact.graph, fact.fingerprint, fact.digest)

    def ask_thread(self, message: ThreadSaves | DeleteThread | DescribeThread | PruneThread) -> None:
        """Ask for a change of a thread that is no run, and wait until it is made. Raises why it was not.

        NoCoordinator if nobody answers: then it may still be made.
        """
        self.await_cluster()
        thread, run_id = message.thread, message.run
        log = self.broker().log_reader(self.partition(run_id, thread), run_id)
        try:
            self.ask_by(run_id, message, thread)
            began = time.monotonic()
            while True:
                entries = log.read("0-0", 2, min(ACCEPT_TIMEOUT_MS, GRACE_MS))
                for fact in (fact for entry in entries for fact in wire.decode_facts(self.codec(None), entry.data)):
                    if isinstance(fact, RunFinished):
                        if fact.error is not None:
                            raise rebuild(fact.error, self.errors)
                        return
                waited_s = time.monotonic() - began
                if waited_s * 1000 >= ACCEPT_TIMEOUT_MS:
                    raise NoCoordinator(round(waited_s, 1))
        finally:
            log.close()

    def check_readable(self, run_id: str, thread: str | None = None) -> bool:
        """Whether the run has ended. RunExpired if the broker holds the run, or its log, no more."""
        partition = self.partition(run_id, thread)
        log = self.broker().log_reader(partition, run_id)
        try:
            record = self.broker().load_run(partition, run_id)
            if not record or not log.exists():
                raise RunExpired(run_id)
        finally:
            log.close()
        return record.get("status", b"open") not in (b"open", b"queued")


def thread_held(request: RunRequest) -> str | None:
    """The thread that a request's run is to hold, if it is on one."""
    return None if request.within else thread_id_in(request.config)


def thread_id_in(config: Mapping[str, Any]) -> str | None:
    """The thread that a config names, if it does: its runs share a partition."""
    thread = (config.get("configurable") or {}).get("thread_id")
    return None if thread is None else str(thread)
