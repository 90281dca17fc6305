"""Messages that need no langchain-core: what `drumline.messages` puts on the `messages` stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: LangChain's names of the roles; another role is its own type
_TYPES = {"assistant": "ai", "user": "human"}


@dataclass(slots=True)
class MessageChunk:
    """A part of a message: chunks of one `id` belong together, and `+` joins them."""

    id: str
    role: str
    content: str

    @property
    def type(self) -> str:
        """The role as LangChain names it: "ai", "human", "system", "tool"."""
        return _TYPES.get(self.role, self.role)

    def __add__(self, other: object) -> MessageChunk:
        if not isinstance(other, MessageChunk):
            return NotImplemented
        return MessageChunk(self.id, self.role, self.content + other.content)


@dataclass(slots=True)
class Message:
    """A whole message. `content` is a text or a list of content blocks; `extra` holds what else its dict said."""

    id: str
    role: str
    content: Any
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The role as LangChain names it: "ai", "human", "system", "tool"."""
        return _TYPES.get(self.role, self.role)

    def as_dict(self) -> dict[str, Any]:
        """The message as `add_messages` takes it: `{"role", "content", "id", ...}`."""
        return {**self.extra, "role": self.role, "content": self.content, "id": self.id}
