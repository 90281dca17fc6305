"""Which messages a `messages` view has shown, or may not show: a node was given them (docs/semantics.md §4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from drumline_graph.message_ids import identify_output, messages_in_fields
from drumline_graph.returned import returned_messages
from drumline_protocol.codec_langchain import TAG_PREFIX
from drumline_protocol.codec_types import Opaque
from drumline_protocol.errors import LangChainMissing
from drumline_protocol.message_kinds import CHUNK


def check_readable(message: Any) -> None:
    """LangChainMissing if this is a message that only langchain-core can make, and it is not here."""
    if type(message) is Opaque and message.tag.startswith(TAG_PREFIX):
        raise LangChainMissing(message.tag.removeprefix(TAG_PREFIX))


class SeenMessages:
    """Ids of messages that are not to be shown again as whole messages."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def add_input(self, value: Any) -> None:
        """A node gets `value`: the messages in it are known already."""
        self._ids.update(message.id for message in messages_in_fields(value) if message.id)

    def add_ids(self, ids: Iterable[str]) -> None:
        """Messages of these ids are known already."""
        self._ids.update(ids)

    def forget(self, ids: Iterable[str]) -> None:
        """Messages of these ids were taken back: they are news again."""
        self._ids.difference_update(ids)

    def knows(self, id_: str | None) -> bool:
        """Whether a message of this id was shown, or was known before."""
        return id_ in self._ids

    def is_new(self, header: dict[str, Any]) -> bool:
        """Whether a message event is to be shown: every chunk is, a whole message once."""
        id_ = header["id"]
        if header["kind"] == CHUNK:
            self._ids.add(id_)
            return True
        return self._first(id_)

    def new_in(self, value: Any, task: str) -> Iterator[Any]:
        """The messages in what a subgraph returned to this task, without those that are known."""
        identify_output(task, value)
        for message in returned_messages(value):
            if self._first(message.id):
                yield message

    def _first(self, id_: str | None) -> bool:
        if id_ in self._ids:
            return False
        if id_ is not None:
            self._ids.add(id_)
        return True
