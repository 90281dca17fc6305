"""Which messages a `messages` view has shown, or may not show because a node was given them (semantics §4). Pure."""

from __future__ import annotations

from typing import Any

from drumline_worker.capture import CHUNK, find_messages


class SeenMessages:
    """Ids of messages that are not to be shown again as whole messages."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def add_input(self, value: Any) -> None:
        """A node gets `value`: the messages in it are known already."""
        self._ids.update(message.id for message in find_messages(value) if message.id)

    def is_new(self, header: dict[str, Any]) -> bool:
        """Whether a message event is to be shown: every chunk is, a whole message once."""
        id_ = header["id"]
        if header["kind"] == CHUNK:
            self._ids.add(id_)
            return True
        if id_ in self._ids:
            return False
        self._ids.add(id_)
        return True
