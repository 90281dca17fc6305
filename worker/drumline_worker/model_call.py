"""The messages of one model call on their way to the `messages` stream. Knows nothing of LangChain.

What an item says beside its message stands in a header, which views read without decoding the rest: `id`, `kind`,
`call` (the number of the model call within its attempt), `tags` if there are any, and `ns` if the event belongs to
another graph than its task. The call's metadata is ten times as long as a token, so it travels with the first item
only; views find it by task and call.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from drumline_protocol.facts import MESSAGE
from drumline_worker.job import Emit


class ModelCall:
    """Puts the messages of one call on the stream, in the order of the calls of `put`; any thread may call it."""

    __slots__ = ("_emit", "_header", "_last", "_lock", "_metadata", "_told")

    def __init__(
        self,
        emit: Emit,
        number: int,
        metadata: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        ns: Sequence[str] | None = None,
    ) -> None:
        self._emit = emit
        self._metadata: Mapping[str, Any] | None = metadata
        self._header: dict[str, Any] = {"call": number}
        if tags:
            self._header["tags"] = list(tags)
        if ns is not None:
            self._header["ns"] = list(ns)
        #: the header of the last item: all chunks of an answer have the same
        self._last: dict[str, Any] = {}
        self._told: set[str | None] = set()
        self._lock = threading.Lock()

    def put(self, kind: str, message: Any) -> None:
        """Emit one message. EncodeError if it, or the metadata, cannot cross the wire; WriterBlocked."""
        id_ = message.id
        with self._lock:  # nobody may overtake the item that brings the metadata
            header = self._last
            if not header or header["id"] != id_ or header["kind"] != kind:
                header = self._last = {"id": id_, "kind": kind, **self._header}
            # a list, because a tuple takes the codec as long as half a message
            self._emit(MESSAGE, [message, self._metadata], header)
            self._metadata = None
            self._told.add(id_)

    def has_told(self, id_: str | None) -> bool:
        """Whether a message of this id was put."""
        return id_ in self._told
