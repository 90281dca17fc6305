"""Ids for messages that have none: from the task and their place, so that every attempt gives the same. Pure.

LangGraph gives missing ids in three places: `add_messages` (`message.py`), the `messages` stream, and writes to delta
channels, which their reducers take as they are. The last two use this module.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from drumline_graph.channels.base import MISSING
from drumline_graph.channels.binop import overwrite_value
from drumline_graph.loaded import loaded
from drumline_graph.types import Overwrite

if TYPE_CHECKING:
    from drumline_graph.program import Program

Write = tuple[str, Any]

#: what makes a dict a message in LangGraph's eyes, where other data may lie in the same list
_ROLES = frozenset({"user", "human", "assistant", "ai", "tool", "system", "function"})
_TYPES = frozenset({"human", "ai", "tool", "system", "function", "remove"})


def base_message() -> Any:
    """LangChain's message class; None if nobody has imported it, so that there can be no message."""
    messages = loaded("langchain_core.messages")
    return None if messages is None else messages.BaseMessage


def messages_in_fields(value: Any) -> Iterable[Any]:
    """Messages in the fields of a state (dict, dataclass, pydantic model), and in lists in its fields."""
    base = base_message()
    return () if base is None else messages_among(_fields(value))


def messages_among(values: Iterable[Any]) -> list[Any]:
    """Messages in values, and in lists and tuples among them, in order."""
    base = base_message()
    if base is None:
        return []
    found: list[Any] = []
    for value in values:
        if isinstance(value, base):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(item for item in value if isinstance(item, base))
    return found


def identify(task: str, messages: Sequence[Any]) -> None:
    """Give an id to each message that has none, from the task's id and its index among `messages`."""
    _name(task, messages, "")


def namespace_of(task: str) -> uuid.UUID:
    """What the ids of a task's messages are made from. An update's task may have any text for its id."""
    try:
        return uuid.UUID(task)
    except ValueError:
        return uuid.UUID(bytes=blake2b(task.encode("utf-8", "surrogatepass"), digest_size=16).digest())


def _name(task: str, messages: Sequence[Any], place: str) -> None:
    for index, message in enumerate(messages):
        if not message.id:
            message.id = str(uuid.uuid5(namespace_of(task), f"{place}{index}"))


def identify_output(task: str, output: Any) -> None:
    """The same for what a subgraph returned to the task that it ran in: a dict, or the value of a state without keys.

    The machine and the views call this, each on its own copy: so they agree.
    """
    identify(task, messages_among(output.values() if isinstance(output, dict) else (output,)))


def identify_update(task: str, update: Any) -> None:
    """The same for a command's update: a dict, pairs of key and value, or an instance of a schema."""
    if isinstance(update, (list, tuple)):
        identify(task, messages_among(pair[1] for pair in update if isinstance(pair, (list, tuple)) and len(pair) == 2))
    else:
        identify(task, list(messages_in_fields(update)))


def with_delta_ids(program: Program, task: str, writes: list[Write]) -> list[Write]:
    """The writes of a task, with ids for the messages that go to delta channels (LangGraph's `ensure_message_ids`).

    Objects of LangChain get theirs in place; lists and dicts are never changed, but replaced. In a channel whose
    reducer takes nothing but messages (`DeltaChannel.takes_messages`) whatever can become a message becomes one.
    Elsewhere only dicts in a list do that look like one; if it is none all the same, what LangChain raises is raised.
    """
    keys = program.delta_keys
    if not keys or not any(channel in keys for channel, _ in writes):
        return writes
    return [
        (channel, _Namer(task, f"{channel} {index}", takes=program.channels[channel].takes_messages).write(value))  # type: ignore[attr-defined]
        if channel in keys
        else (channel, value)
        for index, (channel, value) in enumerate(writes)
    ]


def with_own_messages(writes: list[Write]) -> list[Write]:
    """The same writes, with copies of the messages that have no id: reducers give ids in place."""
    base = base_message()
    if base is None:
        return writes

    def own(item: Any) -> Any:
        return item.model_copy() if isinstance(item, base) and not item.id else item

    return [(key, list(map(own, value)) if type(value) is list else own(value)) for key, value in writes]


def identify_writes(task: str, writes: Iterable[Sequence[Any]]) -> None:
    """Give ids to the messages in a task's writes before they leave its process, also to those that replace a value.

    So no reducer elsewhere draws an id that a second attempt would not draw.
    """
    values = [value for _, value in writes]
    identify(task, messages_among(values))
    replacing = [inner for value in values if (inner := overwrite_value(value)) is not MISSING]
    if replacing:
        _name(task, messages_among(replacing), "overwrite ")


class _Namer:
    """Names the messages of one write. `place` is where the write stands among those of its task."""

    def __init__(self, task: str, place: str, *, takes: bool) -> None:
        self._task = namespace_of(task)
        self._place = place
        self._takes = takes
        self._count = 0

    def write(self, value: Any) -> Any:
        inner = overwrite_value(value)
        if inner is not MISSING:
            if not isinstance(inner, (list, tuple)):
                return value
            named = self._each(inner, self._loosely if self._takes else self._object)
            return value if named is inner else Overwrite(named)
        if isinstance(value, list):
            return self._each(value, self._item)
        if self._takes:
            return self._loosely(value)
        if isinstance(value, dict) and _is_message_dict(value):
            return value if value.get("id") else {**value, "id": self._next()}
        return self._object(value)

    def _each(self, items: Any, name: Callable[[Any], Any]) -> Any:
        named = [name(item) for item in items]
        if all(new is old for new, old in zip(named, items, strict=True)):
            return items
        return type(items)(named) if type(items) in (list, tuple) else named

    def _item(self, item: Any) -> Any:
        if isinstance(item, dict) and _is_message_dict(item):
            return self._converted(item)
        return self._loosely(item) if self._takes else self._object(item)

    def _object(self, item: Any) -> Any:
        """A message object gets its id; everything else is somebody's data."""
        base = base_message()
        if base is not None and isinstance(item, base) and not item.id:
            item.id = self._next()
        return item

    def _loosely(self, item: Any) -> Any:
        """As a message if it can be one; else the reducer will say what is wrong with it."""
        try:
            return self._converted(item)
        except Exception:
            return item

    def _converted(self, item: Any) -> Any:
        messages = loaded("langchain_core.messages")
        if messages is None:  # then dicts are the form that messages have
            return item if not isinstance(item, dict) or item.get("id") else {**item, "id": self._next()}
        if isinstance(item, messages.BaseMessage):
            return self._object(item)
        return self._object(messages.convert_to_messages([item])[0])

    def _next(self) -> str:
        self._count += 1
        return str(uuid.uuid5(self._task, f"{self._place} {self._count}"))


def _is_message_dict(item: dict[Any, Any]) -> bool:
    role, kind = item.get("role"), item.get("type")
    return (isinstance(role, str) and role in _ROLES) or (isinstance(kind, str) and kind in _TYPES)


def _fields(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    model_fields = getattr(type(value), "model_fields", None)
    if isinstance(model_fields, dict):
        return [getattr(value, name) for name in model_fields]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return ()
