"""JSON that a client sent, as the values that a graph's schema asks for. Pure.

A state is read key by key: its input need not have all of them, and what one key holds is no matter of another. What
the annotation of a key says is left to pydantic; a key that the schema does not know, or whose class pydantic cannot
read, stays as it is: the graph says what it thinks of it.
"""

from __future__ import annotations

import types
import typing
from collections import abc
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from drumline_gateway.json_values import dumps
from drumline_graph.loaded import loaded
from drumline_graph.schema import unwrapped

#: the roles that OpenAI's messages have, and the words that LangChain has for the same
_ROLES = frozenset(
    ("user", "human", "assistant", "ai", "system", "developer", "tool", "function", "remove", "chat", "AIMessageChunk")
)

#: what messages may lie in
_HOLDERS = (list, tuple, typing.Union, types.UnionType, abc.Sequence, abc.Iterable)


class BadValue(ValueError):
    """Something in a request's JSON is not what the graph's schema asks for. The text names the key path."""


def read_state(schema: Any, data: Any, where: str = "input") -> Any:
    """`data`, which was JSON, as an input or an update of a graph's state with this schema (None: not known).

    Raises BadValue. Lax as pydantic is: `"2026-01-01"` is a date where the schema asks for one, `[1]` a set, base64
    bytes. Messages may be `{"role", "content"}`, `{"type", ...}`, text, or lists of these.
    """
    if not isinstance(data, Mapping):
        return data
    hints = _hints(schema)
    return {key: _read(hints.get(key), value, f"{where}.{key}") for key, value in data.items()}


def _read(hint: Any, value: Any, where: str) -> Any:
    if value is None or hint is None:
        return value
    if _is_of_messages(hint):
        return _messages(value, where)
    adapter = _adapter(hint)
    if adapter is None:
        return value
    from pydantic import ValidationError

    try:
        return adapter.validate_json(dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = "".join(f".{step}" for step in first["loc"])
        raise BadValue(f"{where}{path}: {first['msg']}") from None


def _hints(schema: Any) -> dict[str, Any]:
    """The annotations of a state's keys; none where they cannot be read."""
    if not isinstance(schema, type):
        return {}
    return _hints_of(schema)


@lru_cache(maxsize=512)
def _hints_of(schema: type) -> dict[str, Any]:
    try:
        return get_type_hints(schema, include_extras=True)
    except Exception:  # a name in an annotation that nothing has
        return {}


def _adapter(hint: Any) -> Any:
    """What reads values of an annotation; None if pydantic cannot, or would take anything."""
    try:
        return _adapter_of(hint)
    except TypeError:  # an annotation that has no hash
        return _made(hint)


@lru_cache(maxsize=512)
def _adapter_of(hint: Any) -> Any:
    return _made(hint)


def _made(hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    hint = _bare(hint)
    if hint is Any:
        return None
    try:
        return TypeAdapter(hint, config=ConfigDict(val_json_bytes="base64"))
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            return None
    except Exception:
        return None
    try:
        return TypeAdapter(hint)  # a class that brings a config of its own
    except Exception:
        return None


def _bare(hint: Any) -> Any:
    """Without what is around it for the graph: reducers, channels, Required, a name by `type X = ...`."""
    hint = unwrapped(hint)
    while get_origin(hint) is Annotated:
        hint = unwrapped(get_args(hint)[0])
    return hint


# -- messages ------------------------------------------------------------------------------------------


def _is_of_messages(hint: Any) -> bool:
    """Whether an annotation speaks of LangChain's messages, at any depth of its lists and unions."""
    messages = loaded("langchain_core.messages")
    if messages is None:
        return False
    bare = _bare(hint)
    if isinstance(bare, type) and get_origin(bare) is None:
        return issubclass(bare, messages.BaseMessage)
    return get_origin(bare) in _HOLDERS and any(_is_of_messages(inner) for inner in get_args(bare))


def _messages(value: Any, where: str) -> Any:
    """Messages as LangChain's objects. Text and a pair of role and text stay: a reducer takes them for a message."""
    if isinstance(value, list) and not _is_pair(value):
        return [_message(item, f"{where}.{number}") for number, item in enumerate(value)]
    return _message(value, where)


def _is_pair(value: list[Any]) -> bool:
    return len(value) == 2 and all(isinstance(item, str) for item in value) and value[0] in _ROLES


def _message(value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        return tuple(value) if isinstance(value, list) and _is_pair(value) else value
    if not ("role" in value or "type" in value):
        keys = ", ".join(sorted(map(str, value))[:8])
        raise BadValue(f"{where}: a message has 'content' and a 'role' or a 'type'; this has {keys or 'no keys'}")
    from drumline_graph.message_forms import langchain_forms

    try:
        (message,), _ids = langchain_forms().coerce([dict(value)])
    except Exception as error:  # whatever a message class finds wrong with its fields
        raise BadValue(f"{where}: no message: {error}") from None
    if value.get("id") is None:
        message.id = None  # the reducer of the run gives it one, the same in each try
    return message
