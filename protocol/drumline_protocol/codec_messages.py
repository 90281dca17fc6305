"""Messages and events of tools, on their way to the streams `messages` and `tools`, that cannot cross as they are.

A token is for whoever reads along. It must not end the model's call because of a field that nobody may look at: so what
cannot cross of it is plain data (`codec_plain`), a message of an unknown class is one of the class that it extends, and
the metadata of the call are made plain in the same way. So is what a tool was given and gave. A part of its output that
the tool puts on the stream by itself must cross, as a custom event must.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drumline_graph.message_ids import base_message
from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol.codec import Codec
from drumline_protocol.facts import MESSAGE, NESTED, STREAMED, Emitted


def plain_event(codec: Codec, kind: int, payload: Any, header: Any) -> tuple[Any, Any] | None:
    """Payload and header of an event that failed, such that they cross. None if it must cross."""
    if kind == MESSAGE:
        return _plain_pair(codec, payload), codec.plain(header)
    if kind == STREAMED:
        ns, mode, item = payload
        if mode == "tools" and "delta" not in item:
            return (ns, mode, {key: _plain_part(codec, part) for key, part in item.items()}), codec.plain(header)
        if mode != "messages":
            return None
        return (ns, mode, tuple(_plain_pair(codec, item) or ())), codec.plain(header)
    if kind == NESTED and type(payload) is Emitted:
        items = [_plain_item(codec, item) for item in payload.items]
        return replace(payload, items=items), header
    return None


def _plain_item(codec: Codec, item: Any) -> Any:
    kind, payload, header = item
    if codec.crosses([payload, header]):
        return item
    plain = plain_event(codec, kind, payload, header)
    return item if plain is None else (kind, *plain)


def _plain_part(codec: Codec, part: Any) -> Any:
    """What a tool was given, or gave."""
    if codec.crosses(part):
        return part
    base = base_message()
    return plain_message(codec, part) if base is not None and isinstance(part, base) else codec.plain(part)


def _plain_pair(codec: Codec, pair: Any) -> Any:
    if pair is None:
        return None
    message, metadata = pair
    return [plain_message(codec, message), codec.plain(metadata)]


def plain_message(codec: Codec, message: Any) -> Any:
    """A message that crosses: the same one, or one of the nearest class that is known, with its fields made plain."""
    known = next((cls for cls in type(message).__mro__ if codec.wire_type(cls) is not None), None)
    if known is None:
        return codec.plain(message)
    fields = {name: codec.plain(getattr(message, name, None)) for name in _names(known)}
    if known in (Message, MessageChunk):
        made = object.__new__(known)
        for name, value in fields.items():
            setattr(made, name, value)
        return made
    chosen = set(message.model_fields_set) & set(fields)
    return known.model_construct(_fields_set=chosen, **fields)  # type: ignore[attr-defined]


def _names(cls: Any) -> list[str]:
    return list(getattr(cls, "model_fields", None) or cls.__dataclass_fields__)
