"""The codec: Python values to bytes and back, over a closed table of types.

msgpack, with everything that msgpack does not have in ext types (`codec_builtin`), and classes under a tag that is
looked up in a table (`codec_types`). There is one format and no fallback: what cannot be encoded raises `EncodeError`
with the path to the culprit, what cannot be decoded raises `DecodeError`, and no bytes lead to code being imported or
called, except the `from_fields` of classes that were registered.

What comes back equals what went in, with the same types, but for exotic time zones, which come back as fixed offsets,
and for free-form fields of messages and exceptions (`codec_plain`): what is known nowhere is plain data there. Lone
surrogates, NaN, ints of any practical size and keys that are no strings pass.

Nesting is bounded in two ways: lists and dicts by msgpack (`NESTING_MAX`), typed values by a chain of hooks, one per
level, of which the innermost refuses. The chain also makes the codec stateless, so that one may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from drumline_graph.message_types import Message, MessageChunk
from drumline_graph.types import Command, Interrupt, Overwrite, Send, StateUpdate, StateUpdates, TimeoutPolicy
from drumline_protocol.codec_builtin import (
    BOXED,
    DUMPERS,
    LOADERS,
    NESTED,
    SLOW,
    TAGGED,
    WEIGHTS,
    Pack,
    Unpack,
    dump_zone,
    ext,
)
from drumline_protocol.codec_chain import (
    Buffer,
    Dumper,
    DumpHook,
    LoadHook,
    counted_unpacker,
    dump_hook,
    heap_unpacker,
    load_hook,
    packer,
    unpacker,
)
from drumline_protocol.codec_classes import CLASS_TAG, class_name, class_of
from drumline_protocol.codec_count import SLOW_TAGS, LongContainer, check_size, may_exceed
from drumline_protocol.codec_derived import DERIVED_DUMPERS, derived_loaders
from drumline_protocol.codec_errors import ERROR_TAG, error_type, is_listed
from drumline_protocol.codec_libraries import find_class, find_tag
from drumline_protocol.codec_types import (
    Opaque,
    TypeTable,
    WireType,
    attribute_type,
    registered,
    structure,
)
from drumline_protocol.errors import DecodeError, EncodeError
from drumline_protocol.failure import Failure, reason_of
from drumline_protocol.limits import TYPED_NESTING_MAX, VALUE_BYTES_MAX

#: From this level on an unpacker lives on the heap: 64 of those that live on the stack, inside one another, would be
#: too much for a thread with a small stack.
_HEAP_LEVEL = 4

_unset = object()


def _drumline_types() -> TypeTable:
    """Drumline's own types, under tags that do not depend on where they are defined."""
    send = attribute_type(Send, "drumline:Send", dict.fromkeys(("node", "arg", "timeout")))
    own = (Command, Interrupt, Overwrite, StateUpdate, StateUpdates, TimeoutPolicy, Failure, Message, MessageChunk)
    found = [structure(cls, f"drumline:{cls.__name__}") for cls in own]
    return TypeTable([send, *(wire_type for wire_type in found if wire_type is not None)])


_DRUMLINE = _drumline_types()


class Boxed:
    """A value that stays encoded until somebody asks for it.

    It is encoded by copying its bytes, so a value passes through a process without being decoded, and is never encoded
    a second time. `value` decodes at the first use and keeps the result; DecodeError if the bytes are bad. Two boxes
    are equal if their bytes are.
    """

    __slots__ = ("_codec", "_value", "data")

    def __init__(self, data: bytes, codec: Codec) -> None:
        self.data = data
        self._codec = codec
        self._value: Any = _unset

    @property
    def value(self) -> Any:
        if self._value is _unset:
            self._value = self._codec.decode(self.data)
        return self._value

    def decoded(self) -> Any:
        """The value, made anew at each call: it belongs to the caller."""
        return self._codec.decode(self.data)

    def __eq__(self, other: object) -> bool:
        return type(other) is Boxed and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"Boxed({len(self.data)} bytes)"


def unbox(value: Any) -> Any:
    """The value inside a `Boxed`; anything else as it is."""
    return value.value if type(value) is Boxed else value


class Codec:
    """Encodes and decodes values of a closed set of types; may be shared by threads.

    `types` holds the classes that the graph's schemas name and those that the user gave. Python's own types,
    drumline's, LangChain's messages and what `drumline.types.register` was given are known without it. Values of the
    tags that it `passes` are not built, but stay `Opaque`.
    """

    __slots__ = (
        "_by_tag",
        "_class_type",
        "_dumpers",
        "_encode",
        "_encode_freely",
        "_encode_surrogates",
        "_error_type",
        "_has_free",
        "_passes",
        "_types",
        "_unpack",
        "_unpack_counted",
        "version",
    )

    def __init__(self, types: TypeTable | None = None, version: int = 1, *, passes: Iterable[str] = ()) -> None:
        #: the protocol version in which messages are written with this codec
        self.version = version
        self._types = TypeTable() if types is None else types
        self._by_tag = {**_DRUMLINE.tags(), **self._types.tags()}
        self._passes = frozenset(passes)
        self._class_type = WireType(type, CLASS_TAG, self._class_name, self._class_of)
        self._error_type = error_type(self, self._types)
        self._dumpers: dict[type, Dumper] = {
            **DUMPERS,
            Boxed: lambda obj, _inner: ext(BOXED, obj.data),
            **DERIVED_DUMPERS,
            Opaque: lambda obj, _inner: ext(obj.code, obj.data),
            Buffer: lambda obj, inner: self._find_dumper(type(obj.obj))(obj.obj, inner),
        }
        #: whether an object was met that has free-form fields
        self._has_free = False
        self._encode = self._packers(None, self._dumpers, self._find_dumper)
        self._encode_surrogates = self._packers("surrogatepass", self._dumpers, self._find_dumper)
        self._encode_freely: Pack | None = None
        self._unpack, self._unpack_counted = self._unpackers()

    @property
    def types(self) -> TypeTable:
        """The table it was made with."""
        return self._types

    def with_types(self, classes: Iterable[Any]) -> Codec:
        """A codec that knows these classes too (`TypeTable.with_types`)."""
        return Codec(self._types.with_types(classes), self.version, passes=self._passes)

    # -- encoding ----------------------------------------------------------------------------------

    def encode(self, value: Any, root: str = "value") -> bytes:
        """The bytes of `value`.

        EncodeError names the culprit by its path from `root`, as in `root['docs'][3]`.
        """
        try:
            data = self._encode(value)
        except KeyboardInterrupt:
            raise
        except UnicodeEncodeError:
            data = self._encode_slowly(value, root)
        except BaseException as exc:  # user code: even SystemExit from a `to_fields` must not get out
            data = self._encode_free(value, root, exc)
        if may_exceed(data):
            self._check_bounds(value, root, data)
        return data

    def box(self, value: Any, root: str = "value") -> Boxed:
        """`value`, encoded now. Later changes of `value` do not reach the box."""
        return Boxed(self.encode(value, root), self)

    def crosses(self, value: Any) -> bool:
        """Whether `value` can be written as it is: nothing in it is made plain."""
        try:
            self._encode_surrogates(value)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return False
        return True

    def plain(self, value: Any) -> Any:
        """`value` with plain data for all that cannot be written, as in free-form fields (`codec_plain`)."""
        from drumline_protocol.codec_plain import Plain

        return Plain(self.crosses, self._is_free).of(value)

    def _encode_slowly(self, value: Any, root: str) -> bytes:
        # Lone surrogates are rare, and letting them pass costs half as much again on every text.
        try:
            return self._encode_surrogates(value)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:
            return self._encode_free(value, root, exc)

    def _encode_free(self, value: Any, root: str, exc: BaseException) -> bytes:
        """The bytes of a value that failed, with free-form fields made plain. EncodeError if that does not help."""
        if self._has_free:
            if self._encode_freely is None:
                dumpers = {cls: dump for cls, dump in self._dumpers.items() if not self._is_free(cls)}
                self._encode_freely = self._packers("surrogatepass", dumpers, self._find_free_dumper)
            try:
                return self._encode_freely(value)
            except KeyboardInterrupt:
                raise
            except BaseException:  # the first exception tells what is wrong
                pass
        raise self._explained(value, root, exc) from exc

    def _explained(self, value: Any, root: str, exc: BaseException) -> EncodeError:
        from drumline_protocol.codec_explain import explain

        return exc if isinstance(exc, EncodeError) else explain(value, root, exc, self._explained_type)

    def _explained_type(self, cls: type) -> WireType | None:
        """As `wire_type`, but without what was made plain."""
        found = self.wire_type(cls)
        if found is None or not self._is_free(cls):
            return found
        parts = found.dump
        return WireType(cls, found.tag, lambda obj: self._made_plain(parts(obj)), found.load)

    def _check_bounds(self, value: Any, root: str, data: bytes) -> None:
        from drumline_protocol.codec_explain import type_name

        if len(data) > VALUE_BYTES_MAX:
            reason = f"it takes {len(data)} bytes; the limit is {VALUE_BYTES_MAX}"
            raise EncodeError(root, type_name(value), reason)
        try:
            check_size(data, NESTED, WEIGHTS)
        except LongContainer as exc:
            raise self._explained(value, root, exc) from exc
        except ValueError as exc:
            raise EncodeError(root, type_name(value), str(exc)) from exc

    def _packers(self, unicode_errors: str | None, dumpers: dict[type, Dumper], find: Callable[[type], Dumper]) -> Pack:
        """The chain of packers: the function for the outermost level."""

        def refuse(_obj: Any) -> Any:
            raise ValueError(f"more than {TYPED_NESTING_MAX} typed values inside one another")

        hook: DumpHook = refuse
        for _ in range(TYPED_NESTING_MAX):
            hook = dump_hook(dumpers, find, packer(hook, unicode_errors))
        return packer(hook, unicode_errors)

    def _find_dumper(self, cls: type) -> Dumper:
        wire_type = self.wire_type(cls)
        if wire_type is None:
            if cls.__module__.startswith("zoneinfo"):
                return dump_zone
            raise TypeError("the type is in no table")
        parts = wire_type.dump
        if self._is_free(cls):
            self._has_free = True
        dump = self._dumps(wire_type, parts)
        self._dumpers[cls] = dump
        return dump

    def _find_free_dumper(self, cls: type) -> Dumper:
        """As `_find_dumper`; free-form fields are made plain."""
        wire_type = self.wire_type(cls)
        if wire_type is None or not self._is_free(cls):
            return self._find_dumper(cls)
        parts = wire_type.dump
        return self._dumps(wire_type, lambda obj: self._made_plain(parts(obj)))

    def _dumps(self, wire_type: WireType, parts: Callable[[Any], list[Any]]) -> Dumper:
        tag = wire_type.tag
        if tag.startswith(SLOW_TAGS):
            return lambda obj, inner: ext(SLOW, inner([tag, *parts(obj)]))

        def dump(obj: Any, inner: Pack) -> Any:
            return ext(TAGGED, inner([tag, *parts(obj)]))

        return dump

    def _made_plain(self, parts: list[Any]) -> list[Any]:
        return [
            {name: self.plain(value) for name, value in part.items()} if type(part) is dict else self.plain(part)
            for part in parts
        ]

    def _is_free(self, cls: type) -> bool:
        """Whether objects of this class have fields for whatever a library puts there."""
        if cls is Message:
            return True
        return cls.__module__.startswith("langchain_core.") and registered.find_class(cls) is None

    def wire_type(self, cls: type) -> WireType | None:
        """How objects of exactly this class are written; None for builtin and for unknown types."""
        found = registered.find_class(cls) or _DRUMLINE.find_class(cls) or find_class(cls)
        if found is None:
            found = self._types.find_class(cls)
            if found is None and issubclass(cls, type):
                return self._class_type
            if issubclass(cls, BaseException) and (found is None or is_listed(found)):
                return self._error_type
        elif is_listed(found):
            return self._error_type
        return found

    def _class_name(self, cls: Any) -> list[Any]:
        found = self.wire_type(cls)
        if found is self._error_type:
            found = registered.find_class(cls) or self._types.find_class(cls)
        return class_name(cls, found)

    def _class_of(self, parts: list[Any]) -> type:
        name = parts[0]
        if type(name) is not str:
            raise ValueError("not the name of a class")
        return class_of(parts, self._find_tag(name))

    # -- decoding ----------------------------------------------------------------------------------

    def decode(self, data: bytes) -> Any:
        """The value that `data` encodes; DecodeError, whatever is wrong with it.

        A KeyboardInterrupt passes, since it may be the user's; whatever else registered classes raise does not.
        """
        try:
            if not may_exceed(data):
                return self._unpack(data)
            if len(data) > VALUE_BYTES_MAX:
                raise ValueError(f"the limit is {VALUE_BYTES_MAX} bytes")
            guarded = check_size(data, NESTED, WEIGHTS)
            return self._unpack_counted[guarded](data)
        except (DecodeError, KeyboardInterrupt):
            raise
        except BaseException as exc:  # user code: even SystemExit from a `from_fields` must not get out
            size = len(data) if isinstance(data, (bytes, bytearray, memoryview)) else 0
            raise DecodeError(reason_of(exc), size) from exc

    def _unpackers(self) -> tuple[Unpack, tuple[Unpack, Unpack]]:
        """The chain of unpackers: the functions for the outermost level; the pair takes data that were counted."""

        def refuse(_code: int, _payload: bytes) -> Any:
            raise ValueError(f"more than {TYPED_NESTING_MAX} typed values inside one another")

        loaders = {**LOADERS, **derived_loaders(Boxed), BOXED: lambda payload, _inner: Boxed(payload, self)}
        hook: LoadHook = refuse
        for level in reversed(range(1, TYPED_NESTING_MAX + 1)):
            unpack = heap_unpacker(hook) if level >= _HEAP_LEVEL else unpacker(hook)
            hook = load_hook(loaders, self._find_tag, unpack)
        return unpacker(hook), (counted_unpacker(hook, False), counted_unpacker(hook, True))

    def _find_tag(self, tag: str) -> WireType | None:
        found = self._by_tag.get(tag)
        if found is not None:
            # What was registered is for all graphs, and another graph may have registered a class of that name.
            own = registered.find_class(found.cls)
            return own if own is not None and own.tag == tag else found
        found = registered.tags().get(tag)
        if found is not None:
            return found
        if tag in self._passes:
            return None
        if tag == CLASS_TAG:
            return self._class_type
        if tag == ERROR_TAG:
            return self._error_type
        found = find_tag(tag)
        if found is not None:
            self._by_tag[tag] = found
            return found
        return registered.find_tag(tag) or self._types.find_tag(tag)
