"""The links of the codec's two chains: one packer, or unpacker, for each level of typed values.

Each link is a function that holds the hook of the next one. Nothing in it changes, so that a codec may be shared by
threads, and the innermost hook refuses, so that nesting is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgpack import Packer, Unpacker, unpackb  # type: ignore[import-untyped]

from drumline_protocol.codec_builtin import NAMES, SLOW, TAGGED, Pack, Unpack
from drumline_protocol.codec_count import HARMLESS_BYTES, SLOW_TAGS, check_counts, checked_dict, may_collide, may_forge
from drumline_protocol.codec_types import Misfit, Opaque, WireType
from drumline_protocol.failure import reason_of
from drumline_protocol.limits import CONTAINER_ITEMS_MAX

_OBJECTS = (TAGGED, SLOW)

Dumper = Callable[[Any, Pack], Any]
DumpHook = Callable[[Any], Any]
LoadHook = Callable[[int, bytes], Any]


def packer(hook: DumpHook, unicode_errors: str | None) -> Pack:
    """A link that writes."""

    # A packer is neither reentrant nor thread-safe, and with a small buffer a new one costs no more than a pool of
    # them.
    def pack(value: Any) -> bytes:
        packer = Packer(default=hook, strict_types=True, buf_size=512, unicode_errors=unicode_errors)
        # Inside a list, which is cut off again: so the packer, which nests one level deeper than the unpacker, refuses
        # what could not be read.
        data: bytes = packer.pack([value])
        if (b"\xc4" in data or b"\xc5" in data or b"\xc6" in data) and holds_buffer(value):
            return pack(told_buffers(value))
        return data[1:]

    return pack


class Buffer:
    """A bytearray or memoryview on its way out. msgpack would write it as bytes, without asking anybody."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def __hash__(self) -> int:
        return id(self.obj)


_BUFFERS = frozenset({bytearray, memoryview})


def holds_buffer(value: Any) -> bool:
    """Whether a bytearray or memoryview lies in `value` or in its lists and dicts."""
    stack: list[Any] = [(value,)]
    while stack:
        items = stack.pop()
        kinds = set(map(type, items))
        if not _BUFFERS.isdisjoint(kinds):
            return True
        if dict in kinds or list in kinds:
            for item in items:
                if type(item) is list:
                    stack.append(item)
                elif type(item) is dict:
                    stack.append(item.values())
                    stack.append(item.keys())
    return False


def told_buffers(value: Any) -> Any:
    """A copy of `value`, of its lists and dicts, in which a `Buffer` stands for each bytearray and memoryview."""
    kind = type(value)
    if kind is list:
        return [told_buffers(item) for item in value]
    if kind is dict:
        return {told_buffers(key): told_buffers(item) for key, item in value.items()}
    return Buffer(value) if kind in _BUFFERS else value


def dump_hook(dumpers: dict[type, Dumper], find: Callable[[type], Dumper], inner: Pack) -> DumpHook:
    """What a packer asks for objects that msgpack does not have; `inner` writes what lies inside them."""

    def hook(obj: Any) -> Any:
        dump = dumpers.get(type(obj))
        if dump is None:
            dump = find(type(obj))
        return dump(obj, inner)

    return hook


def unpacker(hook: LoadHook) -> Unpack:
    """A link that reads."""
    counted = {guarded: counted_unpacker(hook, guarded) for guarded in (False, True)}

    def unpack(data: bytes) -> Any:
        if len(data) <= HARMLESS_BYTES:
            return unpackb(data, ext_hook=hook, raw=False, strict_map_key=False, unicode_errors="surrogatepass")
        if may_forge(data):
            check_counts(data)
        return counted[may_collide(data)](data)

    return unpack


def counted_unpacker(hook: LoadHook, guarded: bool) -> Unpack:
    """A link that reads data whose counts are known to be true; `guarded` against keys of equal hashes."""
    made = checked_dict if guarded else None

    def unpack(data: bytes) -> Any:
        if len(data) <= CONTAINER_ITEMS_MAX:  # a count beyond the number of bytes is refused anyway
            return unpackb(
                data,
                ext_hook=hook,
                raw=False,
                strict_map_key=False,
                unicode_errors="surrogatepass",
                object_pairs_hook=made,
            )
        return unpackb(
            data,
            ext_hook=hook,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            object_pairs_hook=made,
            max_array_len=CONTAINER_ITEMS_MAX,
            max_map_len=CONTAINER_ITEMS_MAX,
        )

    return unpack


def heap_unpacker(hook: LoadHook) -> Unpack:
    """A link that reads and lies on the heap: msgpack's `unpackb` takes 40 KB of C stack."""

    def unpack(data: bytes) -> Any:
        size = len(data)
        large = size > HARMLESS_BYTES
        if large and may_forge(data):
            check_counts(data)
        unpacker = Unpacker(
            ext_hook=hook,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            object_pairs_hook=checked_dict if large and may_collide(data) else None,
            max_buffer_size=max(size, 1),
            max_array_len=min(size, CONTAINER_ITEMS_MAX),
            max_map_len=min(size, CONTAINER_ITEMS_MAX),
        )
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.tell() != size:
            raise ValueError("bytes are left over")
        return value

    return unpack


def load_hook(
    loaders: dict[int, Callable[[bytes, Unpack], Any]],
    find_tag: Callable[[str], WireType | None],
    inner: Unpack,
) -> LoadHook:
    """What an unpacker asks for ext values; `inner` reads what lies inside them."""

    def hook(code: int, payload: bytes) -> Any:
        if code in _OBJECTS:
            parts = inner(payload)
            if type(parts) is not list or len(parts) < 2 or type(parts[0]) is not str:
                raise ValueError("not a tag and fields")
            tag = parts[0]
            if code == TAGGED and tag.startswith(SLOW_TAGS):
                raise ValueError(f"a value of type {tag!r} does not tell that it takes long")
            wire_type = find_tag(tag)
            if wire_type is not None:
                try:
                    return wire_type.load(parts[1:])
                except Misfit:
                    pass
                except KeyboardInterrupt:
                    raise
                except BaseException as exc:  # user code: a `from_fields`, a default factory, an Enum's `_missing_`
                    raise ValueError(f"a value of type {tag!r} cannot be built: {reason_of(exc)}") from exc
            return Opaque(tag, parts[1], code, payload)
        load = loaders.get(code)
        if load is None:
            return Opaque(f"ext:{code}", payload, code, payload)
        try:
            return load(payload, inner)
        except Misfit:
            return Opaque(NAMES[code], inner(payload), code, payload)

    return hook
