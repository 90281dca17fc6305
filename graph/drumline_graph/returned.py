"""Messages in what a node returned, as the `messages` stream shows them (docs/semantics.md §4, `on_chain_end`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drumline_graph.message_ids import base_message, messages_in_fields
from drumline_graph.types import Command


def returned_messages(result: Any, commands: tuple[type[Any], ...] = (Command,)) -> Iterator[Any]:
    """Messages in what a node returned: itself, an item of a list, a field, or an item of a field; of a command in its
    update. `commands` are the classes of those: nodes of another engine's graphs return its own.
    """
    base = base_message()
    if base is None:
        return
    if isinstance(result, commands):
        result = result.update
    elif isinstance(result, (list, tuple)) and any(isinstance(item, commands) for item in result):
        for item in result:
            yield from returned_messages(item, commands)
        return
    if isinstance(result, base):
        yield result
    elif isinstance(result, (list, tuple)):
        yield from (item for item in result if isinstance(item, base))
    else:
        yield from messages_in_fields(result)
