"""Metadata of a partition's threads: clients note them, whether a run holds the thread or not. No IO but the loader."""

from __future__ import annotations

from drumline_coordinator.thread_pruning import ThreadPruning
from drumline_coordinator.thread_stage import put_head
from drumline_graph.errors import DrumlineError
from drumline_protocol.errors import InvalidRequest, NoBroker, ThreadExists, UnknownThread
from drumline_protocol.messages import DescribeThread
from drumline_protocol.thread_messages import IF_THERE
from drumline_transport.errors import ServerError


class ThreadDescribing(ThreadPruning):
    """A part of `Partition`."""

    def _describe(self, message: DescribeThread) -> None:
        """Note the metadata that a client gives a thread, and confirm it. The same message twice is answered once."""
        if self._runs.is_known(message.run, self.answered):
            return
        try:
            self._note_metadata(message)
        except NoBroker:
            raise
        except (DrumlineError, ServerError) as error:
            self._reject(message.run, "", error)
            return
        self._confirm(message.run, "", "")

    def _note_metadata(self, message: DescribeThread) -> None:
        thread, if_there = message.thread, message.if_there
        if if_there not in IF_THERE:
            raise InvalidRequest(f"if_there is one of {', '.join(IF_THERE)}, not {if_there!r}")
        head, held = self._head_to_note(thread)
        if head.created_ms:
            if if_there == "refuse":
                raise ThreadExists(thread)
            if if_there == "leave":
                return
        elif if_there == "change":
            raise UnknownThread(thread)
        head.created_ms = head.created_ms or int(self._now_ms)
        head.metadata = {**head.metadata, **message.metadata}
        put_head(self._stage.commit, self._codec, head, self._now_ms)
        if not held:
            self._threads.changes(head, self.number + 1)
