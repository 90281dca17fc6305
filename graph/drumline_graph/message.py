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
    history, changes = forms.coerce(left), forms.coerce(right)
    merged = _merge(forms, history, changes)
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


def _merge(forms: message_forms.Forms, history: list[Any], changes: list[Any]) -> list[Any]:
    id_of, is_removal = forms.id_of, forms.is_removal
    for index in range(len(changes) - 1, -1, -1):
        if is_removal(changes[index]) and id_of(changes[index]) == REMOVE_ALL_MESSAGES:
            return changes[index + 1 :]
    position = dict(zip(map(id_of, history), range(len(history)), strict=True))
    merged, removed = list(history), set()
    for message in changes:
        message_id = id_of(message)
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
        else:
            # Removed and added again in one write: the new one stays.
            removed.discard(message_id)
            merged[found] = message
    return [m for m in merged if id_of(m) not in removed] if removed else merged


class MessagesState(TypedDict):
    """State with one key: `messages`, a chat history merged by `add_messages`."""

    messages: Annotated[list[Any], add_messages]
