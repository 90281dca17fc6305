"""The two forms that messages have: objects of langchain-core, or dicts where it is not installed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

REMOVE_ROLE = "remove"
"""Role of a dict that removes the message with its id: `{"role": "remove", "id": ...}`."""


@dataclass(slots=True)
class Forms:
    """How messages are read and made in one of the two forms.

    `coerce` gives a new list of messages that all have ids, and the ids; messages that need no change stay the same
    objects. `is_next` says whether the right side is one message without an id, and the left one a list of which
    `coerce` would change nothing: then it goes to the end, since none before it can have the id that it will get.
    """

    coerce: Callable[[Any], tuple[list[Any], list[Any]]]
    is_next: Callable[[Any, Any], bool]
    is_removal: Callable[[Any], bool]
    as_openai: Callable[[list[Any]], list[Any]]


_current: Forms | None = None


def current() -> Forms:
    """The form to use in this process: langchain-core's if it can be imported. Decided once."""
    global _current
    if _current is None:
        try:
            _current = langchain_forms()
        except ImportError:
            _current = dict_forms()
    return _current


def langchain_forms() -> Forms:
    """Messages as langchain-core's classes. ImportError if it is not installed."""
    from langchain_core.messages import (
        BaseMessage,
        BaseMessageChunk,
        RemoveMessage,
        convert_to_messages,
        convert_to_openai_messages,
        message_chunk_to_message,
    )

    id_of = attrgetter("id")

    @lru_cache(maxsize=256)
    def is_whole(kind: Any) -> bool:
        return issubclass(kind, BaseMessage) and not issubclass(kind, BaseMessageChunk)

    def are_whole(items: list[Any]) -> bool:
        # Looking at each class once keeps a long history cheap.
        return all(map(is_whole, set(map(type, items))))

    def is_next(left: Any, right: Any) -> bool:
        message: Any = right[0] if isinstance(right, list) and len(right) == 1 else right
        kind: Any = type(message)
        if not is_whole(kind) or message.id is not None or isinstance(message, RemoveMessage):
            return False
        return isinstance(left, list) and are_whole(left) and all(map(id_of, left))

    def coerce(side: Any) -> tuple[list[Any], list[Any]]:
        items = side if isinstance(side, list) else [side]
        if are_whole(items) and all(ids := list(map(id_of, items))):
            return list(items), ids
        messages: list[Any] = []
        for item in items:
            message = item if isinstance(item, BaseMessage) else convert_to_messages([item])[0]
            if isinstance(message, BaseMessageChunk):
                message = message_chunk_to_message(message)
            if message.id is None:
                # In place, as in LangGraph: the caller's message gets the id it has in the state.
                message.id = str(uuid.uuid4())
            messages.append(message)
        return messages, list(map(id_of, messages))

    def as_openai(messages: list[Any]) -> list[Any]:
        return list(convert_to_messages(convert_to_openai_messages(messages)))

    return Forms(
        coerce,
        is_next,
        lambda message: isinstance(message, RemoveMessage),
        as_openai,
    )


def dict_forms() -> Forms:
    """Messages as dicts `{"role", "content", "id"}`; a string is a user's, a pair is (role, content)."""

    def coerce(side: Any) -> tuple[list[Any], list[Any]]:
        messages = [_as_dict(item) for item in (side if isinstance(side, list) else [side])]
        return messages, [message["id"] for message in messages]

    def as_openai(messages: list[Any]) -> list[Any]:
        return messages

    return Forms(
        coerce,
        lambda left, right: False,  # noqa: ARG005 (a dict gets its id in a copy)
        lambda message: message.get("role") == REMOVE_ROLE,
        as_openai,
    )


def _as_dict(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        item = {"role": "user", "content": item}
    elif isinstance(item, (tuple, list)) and len(item) == 2:
        item = {"role": item[0], "content": item[1]}
    if not isinstance(item, dict) or not ("role" in item or "type" in item):
        raise ValueError(
            f"{item!r} is no message. Give a string, a (role, content) pair, or a dict with 'role' and 'content'. "
            "Message objects need langchain-core: pip install 'drumline[langchain]'."
        )
    return item if item.get("id") is not None else {**item, "id": str(uuid.uuid4())}
