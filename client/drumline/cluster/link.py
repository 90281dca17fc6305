"""A client's link to its cluster: the connection, the codec, and the few messages that a client sends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import EncodeError, NoCoordinator, RunExpired, UnknownRun
from drumline_protocol.ids import partition_of
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS
from drumline_protocol.messages import CancelRun, RunRequest


class Link:
    """Connects when first used. One link serves threads and event loops alike."""

    def __init__(self, url: str, prefix: str, types: Sequence[type], errors: Sequence[type[BaseException]]) -> None:
        self.url = url
        self.prefix = prefix
        self.errors = list(errors)
        self._types = TypeTable().with_types(types)
        self._codecs: dict[Program | None, Codec] = {}
        self._lock = threading.Lock()
        self._broker: Any = None

    def broker(self) -> Any:
        """The broker, connected. NoBroker, EvictingBroker, ProtocolTooNew."""
        with self._lock:
            if self._broker is None:
                from drumline_transport import connect

                self._broker = connect(self.url, prefix=self.prefix, name="client")
            return self._broker

    def close(self) -> None:
        """Close all connections. The next use connects again."""
        with self._lock:
            if self._broker is not None:
                self._broker.close()
                self._broker = None

    def codec(self, program: Program | None) -> Codec:
        """The codec that knows this client's types and those that the graph names."""
        codec = self._codecs.get(program)
        if codec is None:
            types = self._types if program is None else self._types.with_types(program.schema_types())
            codec = self._codecs[program] = Codec(types)
        return codec

    # -- runs -----------------------------------------------------------------------------------------

    def partition(self, run_id: str) -> int:
        """Where a run lives."""
        return partition_of(run_id, self.broker().partitions)

    def record(self, run_id: str) -> dict[str, bytes]:
        """The record of a run. UnknownRun if there is none."""
        record: dict[str, bytes] = self.broker().load_run(self.partition(run_id), run_id)
        if not record:
            raise UnknownRun(run_id)
        return record

    def submit(self, request: RunRequest, codec: Codec) -> None:
        """Put a run request into its inbox. EncodeError, with the path in it, for an input that cannot cross."""
        codec.version = self.broker().protocol
        try:
            # The input is opened where the run begins: until then nobody has to decode it.
            data = wire.encode(codec, replace(request, input=codec.box(request.input, root="input")))
        except EncodeError:
            for part in ("input", "config", "context"):
                codec.encode(getattr(request, part), root=part)
            raise
        self.broker().submit(self.partition(request.run_id), request.run_id, data)

    def cancel(self, run_id: str, reason: str) -> None:
        """Ask for the end of a run, accepted or not."""
        codec = self.codec(None)
        codec.version = self.broker().protocol
        message = wire.encode(codec, CancelRun(run_id, reason))
        self.broker().submit(self.partition(run_id), run_id, message)

    def await_accepted(self, run_id: str) -> None:
        """Wait for the first fact of a run. NoCoordinator, after which the run is cancelled should it ever begin."""
        log = self.broker().log_reader(self.partition(run_id), run_id)
        try:
            if not log.read("0-0", 1, ACCEPT_TIMEOUT_MS):
                self.cancel(run_id, "nobody accepted it in time")
                raise NoCoordinator(ACCEPT_TIMEOUT_MS / 1000)
        finally:
            log.close()

    def check_readable(self, run_id: str) -> None:
        """RunExpired if the broker holds the run, or its log, no more."""
        partition = self.partition(run_id)
        log = self.broker().log_reader(partition, run_id)
        try:
            if not log.exists() or not self.broker().load_run(partition, run_id):
                raise RunExpired(run_id)
        finally:
            log.close()
