"""The ear: reads the control stream, on which coordinators tell every worker what to cancel, and which calls ended."""

from __future__ import annotations

import logging
import threading

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, NoBroker
from drumline_protocol.failure import describe
from drumline_protocol.messages import CallEnded, Cancel
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.calling import WorkerCalls
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")

#: how long one read of the control stream waits
CTL_BLOCK_MS = 1000


class Ear:
    """`listen` is its step; `run` repeats it. It begins behind the newest message of the stream."""

    def __init__(self, broker: WorkerVerbs, codec: Codec, table: Table, calls: WorkerCalls) -> None:
        self._broker = broker
        self._codec = codec
        self._table = table
        self._calls = calls
        self._pause = Pause()
        #: id of the last message that was heard
        self.heard = broker.last_ctl()

    def run(self, ended: threading.Event) -> None:
        """Listen until `ended`."""
        while not ended.is_set():
            try:
                self.listen(CTL_BLOCK_MS)
            except (NoBroker, ServerError) as error:
                self._pause.warn(log, f"the worker cannot hear which tasks are cancelled: {error}")
                self._pause.wait(ended)
            else:
                self._pause.reset()

    def listen(self, block_ms: int) -> None:
        """Read what came since the last time: cancel what it names, hand on the ends of calls of `@task`s."""
        for entry_id, data in self._broker.read_ctl(self.heard, block_ms):
            self.heard = entry_id
            try:
                message = wire.decode(self._codec, data)
                if isinstance(message, CallEnded):
                    self._calls.hear(self._table.of_run(message.run, (message.task,)), message, data)
                elif isinstance(message, Cancel):
                    self._cancel(message)
                else:
                    raise DecodeError(f"a {type(message).__name__} is no control message", len(data))
            except BaseException as error:  # whatever it holds, the next message must be heard
                log.error("control message %s is passed over: %s", entry_id, describe(error, self._codec))

    def _cancel(self, message: Cancel) -> None:
        for execution in self._table.cancel(self._table.of_run(message.run, message.tasks)):
            fields = execution.fields()
            log.info("%s, is cancelled on worker %s", execution, execution.executor, extra=fields)
