"""The reducer for chat histories, and the ready-made state that uses it.

With langchain-core installed messages are its `BaseMessage` objects, exactly as in LangGraph. Without it they are dicts
`{"role", "content", "id"}`. langchain-core is imported at the first call, never with this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    from typing_extensions import TypedDict  # pydantic needs this one before 3.12

from drumline_graph import message_forms

REMOVE_ALL_MESSAGES = "__remove_all__"
"""Id of a `RemoveMessage` that drops all messages before it."""

MessageFormat = Literal["langchain-openai"]


def add_messages(left: Any = None, right: Any = None, *, format: MessageFormat | None = None) -> Any:
    """Merge `right` into the history `left` and give a new list; neither is changed.

    Each side is one message or a list of them; strings, (role, text) pairs and dicts are turned into messages, chunks
    into whole messages, and missing ids become uuid4s. A message with a known id replaces the old one in place; others
    are appended. `RemoveMessage(id)` deletes; with id REMOVE_ALL_MESSAGES it deletes everything before it. Called with
    neither side it gives a reducer with that `format`.

    Raises ValueError for the removal of an unknown id, and if only one side is given.
    """
    if left is None or right is None:
        if left is None and right is None:
            return _formatted(format)
        raise ValueError(
            "add_messages needs both sides, got only "
            f"{'left' if right is None else 'right'}. Call it without either to get a reducer."
        )
    forms = message_forms.current()
    if forms.is_next(left, right):
        merged = [*left, *forms.coerce(right)[0]]
    else:
        merged = _merge(*forms.coerce(left), *forms.coerce(right), forms.is_removal)
    if format is None:
        return merged
    if format == "langchain-openai":
        return forms.as_openai(merged)
    raise ValueError(f"Unrecognized format={format!r}. The only one is 'langchain-openai'.")


def _formatted(format: MessageFormat | None) -> Callable[[Any, Any], Any]:
    def add_formatted_messages(left: Any, right: Any) -> Any:
        return add_messages(left, right, format=format)

    add_formatted_messages.appends_by_identity = format is None  # type: ignore[attr-defined]
    add_formatted_messages.is_pure = True  # type: ignore[attr-defined]
    return add_formatted_messages


# Unchanged messages stay the same objects, so that `delta.diff` can tell what changed.
add_messages.appends_by_identity = True  # type: ignore[attr-defined]
# It needs no private copies. Messages get their missing ids in place, as in LangGraph: callers look for them there.
add_messages.is_pure = True  # type: ignore[attr-defined]


def _merge(
    merged: list[Any], ids: list[Any], changes: list[Any], change_ids: list[Any], is_removal: Callable[[Any], bool]
) -> list[Any]:
    """The history `merged` after `changes`; both lists of the history are used up."""
    for index in range(len(changes) - 1, -1, -1):
        if change_ids[index] == REMOVE_ALL_MESSAGES and is_removal(changes[index]):
            return changes[index + 1 :]
    position: dict[Any, int] = {}
    if len(changes) > 1:
        position = dict(zip(ids, range(len(ids)), strict=True))
    # A talk grows by one message at a time: a search costs less than a dict of all.
    elif changes and change_ids[0] in ids:
        position[change_ids[0]] = len(ids) - 1 - ids[::-1].index(change_ids[0])
    removed = set()
    for message, message_id in zip(changes, change_ids, strict=True):
        found = position.get(message_id)
        if is_removal(message):
            if found is None:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ({message_id!r}). Only messages "
                    "that are in the history can be removed."
                )
            removed.add(message_id)
        elif found is None:
            position[message_id] = len(merged)
            merged.append(message)
            ids.append(message_id)
        else:
            # Removed and added again in one write: the new one stays.
            removed.discard(message_id)
            merged[found] = message
    return [m for m, m_id in zip(merged, ids, strict=True) if m_id not in removed] if removed else merged


class MessagesState(TypedDict):
    """State with one key: `messages`, a chat history merged by `add_messages`."""

    messages: Annotated[list[Any], add_messages]
