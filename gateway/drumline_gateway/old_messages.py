"""The old stream mode `messages`: each message as far as it has grown, whole each time. Pure.

assistant-ui asks for it by default. A message's first event tells its metadata, then come `messages/partial` with what
its chunks add up to, at last `messages/complete`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drumline_gateway.json_values import plain
from drumline_graph.loaded import loaded

METADATA, PARTIAL, COMPLETE = "messages/metadata", "messages/partial", "messages/complete"

#: what a model says of the last chunk of a message, where it says so
_LAST = "last"


class OldMessages:
    """What has come of the messages that are not complete."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        #: chunks added up: objects of LangChain, or dicts where it is not loaded
        self._open: dict[str, Any] = {}

    def add(self, message: Any, metadata: Any) -> Iterator[tuple[str, Any]]:
        """Names and data of the events of one chunk or message."""
        fields = plain(message)
        fields = fields if isinstance(fields, dict) else {"content": fields}
        id_ = str(fields.get("id") or "")
        if id_ and id_ not in self._told:
            self._told.add(id_)
            yield METADATA, {id_: {"metadata": metadata}}
        if not (id_ and str(fields.get("type", "")).endswith("Chunk")):
            self._open.pop(id_, None)
            yield COMPLETE, [fields]
            return
        before = self._open.get(id_)
        added = self._open[id_] = message if before is None else _added(before, message)
        yield PARTIAL, [_whole(added)]
        if fields.get("chunk_position") == _LAST:
            del self._open[id_]
            yield COMPLETE, [_whole(added)]

    def end(self) -> list[tuple[str, Any]]:
        """Messages whose model did not say which chunk was the last."""
        chunks, self._open = self._open, {}
        return [(COMPLETE, [_whole(added)]) for added in chunks.values()]


def _added(before: Any, chunk: Any) -> Any:
    """Two chunks as one. What cannot be added up by its class is by its fields."""
    if not isinstance(before, Mapping) and hasattr(type(before), "__add__"):
        try:
            return before + chunk
        except Exception:  # classes or contents that do not go together
            pass
    one, other = plain(before), plain(chunk)
    added = {**one, **{key: value for key, value in other.items() if value not in (None, "", [], {})}}
    parts = one.get("content"), other.get("content")
    if all(isinstance(part, str) for part in parts) or all(isinstance(part, list) for part in parts):
        added["content"] = parts[0] + parts[1]
    return added


def _whole(chunk: Any) -> Any:
    """Chunks added up, as the message that they are so far: who reads it puts it in place of the one before."""
    messages = loaded("langchain_core.messages")
    if messages is not None and isinstance(chunk, messages.BaseMessageChunk):
        return plain(messages.message_chunk_to_message(chunk))
    fields = dict(plain(chunk))
    kind = str(fields.get("type", "")).removesuffix("MessageChunk").lower()
    return {**fields, "type": kind or "ai"}
