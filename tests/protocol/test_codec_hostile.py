"""What must not pass: forged and damaged bytes, bombs, and what cannot be sent.

Faults 31 and 39 of docs/invariants.md.
"""

from __future__ import annotations

import io
import socket
import sys
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.protocol.samples import CODEC, Color, Frozen, Model, Point, values

from drumline_graph.types import Send
from drumline_protocol import codec_builtin
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import Opaque, TypeTable
from drumline_protocol.errors import DecodeError, EncodeError
from drumline_protocol.limits import CONTAINER_ITEMS_MAX, NESTING_MAX, TYPED_NESTING_MAX


def ext(code: int, payload: bytes) -> bytes:
    packed: bytes = msgpack.packb(msgpack.ExtType(code, payload))
    return packed


def decoded(data: bytes) -> Any:
    """The value, or None if it was refused; nothing but DecodeError may come out."""
    try:
        return CODEC.decode(data)
    except DecodeError:
        return None


# -- decoding --------------------------------------------------------------------------------------


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_a_decode_error(data: bytes) -> None:
    decoded(data)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([*codec_builtin.LOADERS, 32, 33, 99]), st.binary(max_size=60))
def test_random_payloads_of_every_ext_code(code: int, payload: bytes) -> None:
    decoded(ext(code, payload))


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=8),
        st.sampled_from(["drumline:Send", "__main__:Point", "langchain:AIMessage", "content", "x"]),
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([*codec_builtin.LOADERS, 32]), plain)
def test_well_formed_payloads_of_the_wrong_shape(code: int, payload: Any) -> None:
    decoded(ext(code, msgpack.packb(payload)))


_TAGS = st.sampled_from(
    [f"{cls.__module__}:{cls.__qualname__}" for cls in (Point, Frozen, Color, Model)]
    + ["drumline:Send", "drumline:Command", "drumline:Failure", "langchain:AIMessageChunk"]
)


@settings(max_examples=500, deadline=None)
@given(_TAGS, st.lists(plain, max_size=5))
def test_known_tags_with_fields_that_do_not_fit(tag: str, parts: list[Any]) -> None:
    value = decoded(ext(32, msgpack.packb([tag, *parts])))
    if type(value) is Opaque:
        assert value.tag == tag


@settings(max_examples=500, deadline=None)
@given(values, st.data())
def test_damaged_bytes_are_a_value_or_a_decode_error(value: Any, data: st.DataObject) -> None:
    good = bytearray(CODEC.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    decoded(bytes(good))
    cut = data.draw(st.integers(0, len(good)))
    decoded(bytes(good[:cut]))
    decoded(bytes(good) + b"\xc0")


@pytest.mark.parametrize("depth", [1_100, 100_000, 1_000_000])
@pytest.mark.parametrize("head", [b"\x91", b"\x81\x01", b"\xdd\x00\x00\x00\x01"])
def test_nesting_bombs(head: bytes, depth: int) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(head * depth + b"\xc0")


def bomb(code: int, levels: int, wrap: bytes = b"\x91") -> bytes:
    payload = b"\x90"
    for _ in range(levels):
        payload = wrap + ext(code, payload)
    return payload


@pytest.mark.parametrize("levels", [TYPED_NESTING_MAX + 1, 500])
@pytest.mark.parametrize("code", [1, 2, 3, 13, 32])
def test_bombs_of_nested_typed_values(code: int, levels: int) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(bomb(code, levels))


def test_bombs_do_not_hurt_near_the_recursion_limit_or_on_a_small_stack() -> None:
    # When the caller itself is deep in its own recursion
    def dive(left: int) -> None:
        if left:
            dive(left - 1)
        else:
            with pytest.raises(DecodeError):
                CODEC.decode(bomb(1, TYPED_NESTING_MAX))

    def depth() -> int:
        frame, count = sys._getframe(), 0
        while frame is not None:
            frame, count = frame.f_back, count + 1  # type: ignore[assignment]
        return count

    dive(sys.getrecursionlimit() - depth() - 60)
    # And when the thread has little C stack: the deepest allowed nesting passes
    results: list[Any] = []
    old = threading.stack_size(512 * 1024)
    try:
        data = bomb(1, TYPED_NESTING_MAX, wrap=b"\x91" * 15)
        thread = threading.Thread(target=lambda: results.append(CODEC.decode(data)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert len(results) == 1


@pytest.mark.parametrize("head", ["dd", "df", "c6", "db", "c9"])
def test_forged_counts_allocate_nothing(head: str) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(bytes.fromhex(head) + b"\xff\xff\xff\xff" + b"\x01" * 50)
    with pytest.raises(DecodeError):
        CODEC.decode(bytes.fromhex(head) + b"\x00\x20\x00\x00" + b"\xc0" * 2_200_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xc0\xc0",
        b"\xa2\xff\xfe",  # not UTF-8
        b"\x81\x90\xc0",  # a list as a key
        ext(2, b"\x91\x90"),  # a list in a set
        ext(4, b"\x7f" * 5000),  # too big an int
        ext(6, b"1" * 5000),
        ext(6, b"not a number"),
        ext(7, b"short"),
        ext(8, b"2024-13-01"),
        ext(10, msgpack.packb(["2024-01-01T00:00:00", 5, None])),
        ext(10, msgpack.packb(["2024-01-01T00:00:00", 0, "../../etc/passwd"])),
        ext(10, msgpack.packb(["2024-01-01T00:00:00", 0, "/etc/localtime"])),
        ext(11, msgpack.packb([10**12, 0, 0])),
        ext(13, msgpack.packb([-1, []])),
        ext(14, msgpack.packb([0, 1, 0])),
        ext(32, msgpack.packb("just a tag")),
        ext(32, msgpack.packb([["tag"], {}])),
    ],
)
def test_malformed_entries(data: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(data)


def test_what_is_no_bytes_is_a_decode_error() -> None:
    for junk in (None, 5, "text", object()):
        with pytest.raises(DecodeError):
            CODEC.decode(junk)  # type: ignore[arg-type]


def test_an_unknown_time_zone_is_opaque() -> None:
    value = CODEC.decode(ext(10, msgpack.packb(["2024-01-01T00:00:00", 0, "Nowhere/Atlantis"])))
    assert isinstance(value, Opaque)
    assert value.fields == ["2024-01-01T00:00:00", 0, "Nowhere/Atlantis"]
    assert CODEC.decode(CODEC.encode(value)) == value


def test_no_bytes_lead_to_code_being_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shapes that have been exploited in other codecs are nothing but data here."""
    monkeypatch.setattr("os.system", lambda *_: pytest.fail("called"))
    for tag in ("os:system", "os.system", "builtins:eval", "subprocess:Popen"):
        value = CODEC.decode(ext(32, msgpack.packb([tag, ["echo", "pwned"]])))
        assert isinstance(value, Opaque)
    marked = {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["true"]}
    assert CODEC.decode(CODEC.encode(marked)) == marked


# -- encoding --------------------------------------------------------------------------------------


@dataclass
class Stranger:
    x: int


class Shade(Enum):
    DARK = 1


class Coordinates(NamedTuple):
    x: int


class Unlisted(BaseModel):
    x: int = 1


class Holder(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    handle: Any = None


HOLDING = CODEC.with_types([Holder])


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        yield opened


def test_the_error_names_path_and_type(sock: socket.socket) -> None:
    state = {"ok": 1, "docs": [1, 2, {"a": b""}, Holder(handle=sock)]}
    with pytest.raises(EncodeError) as caught:
        HOLDING.encode(state, "state")
    assert str(caught.value) == (
        "cannot encode state['docs'][3].handle of type socket.socket: drumline cannot write this "
        "type; register it with drumline.types.register, or keep it out of the state: make it in the node that uses it"
    )
    assert caught.value.path == "state['docs'][3].handle"


class Text(str):
    pass


class Rows(list):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    ("make", "path", "type_name", "reason"),
    [
        (lambda: open, "value", "builtin_function_or_method", "cannot write"),
        (lambda: (1, [object()]), "value[1][0]", "object", "cannot write"),
        (lambda: {"a": {2: io.StringIO()}}, "value['a'][2]", "_io.StringIO", "cannot write"),
        (lambda: {(1, open): 1}, "value.keys()[0][1]", "builtin_function_or_method", "write"),
        (lambda: {"k": Send("n", {"x": open})}, "value['k'].arg['x']", "built", "register"),
        (lambda: [Frozen("a", open)], "value[0].inner", "built", "register"),
        (lambda: [Stranger(1)], "value[0]", "Stranger", "not known"),
        (lambda: [Shade.DARK], "value[0]", "Shade", "not known"),
        (lambda: [Coordinates(1)], "value[0]", "Coordinates", "not known"),
        (lambda: [Unlisted()], "value[0]", "Unlisted", "not known"),
        (lambda: [Text("x")], "value[0]", "Text", "give str(value)"),
        (lambda: {"a": {"b": Rows([1])}}, "value['a']['b']", "Rows", "give list(value)"),
        (lambda: OrderedDict(a=[open]), "value['a'][0]", "built", "cannot write"),
        (lambda: defaultdict(lambda: 0), "value.default_factory", "function", "cannot write"),
        (lambda: [1 << 40_000], "value[0]", "int", "the limit is 4096"),
        (lambda: ["\ud800", open], "value[1]", "built", "cannot write"),
        (lambda: [range(3), iter([])], "value[1]", "list_iterator", "cannot write"),
        (lambda: [Stranger], "value[0]", "type", "not known"),
    ],
)
def test_what_cannot_be_encoded(make: Any, path: str, type_name: str, reason: str) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(make())
    assert caught.value.path == path
    assert type_name in caught.value.type_name
    assert reason in caught.value.reason


def test_cycles_are_named_not_followed() -> None:
    ring: dict[str, Any] = {"a": [1]}
    ring["a"].append(ring)
    with pytest.raises(EncodeError, match=r"value\['a'\]\[1\] of type dict: it contains itself"):
        CODEC.encode(ring)
    point = Point(1)
    point.y = (point,)
    with pytest.raises(EncodeError, match="contains itself"):
        CODEC.encode(point)


def nest(depth: int, kind: Any) -> Any:
    value: Any = kind()
    for _ in range(depth - 1):
        value = kind([value])
    return value


@pytest.mark.parametrize("leaf", [[], 5, "text", {}])
def test_nested_lists_that_encode_also_decode(leaf: Any) -> None:
    refused = 0
    for depth in (400, *range(505, 515), *range(1000, 1030)):
        value = leaf
        for _ in range(depth):
            value = [value]
        try:
            data = CODEC.encode(value)
        except EncodeError as exc:
            refused += 1
            assert "1000 lists and dicts" in exc.reason  # noqa: PT017
        else:
            CODEC.decode(data)
    assert refused


def test_nesting_is_bounded() -> None:
    with pytest.raises(EncodeError, match="1000 lists and dicts"):
        CODEC.encode(nest(NESTING_MAX + 100, list))
    with pytest.raises(EncodeError, match="1000 lists and dicts"):
        CODEC.encode(nest(100_000, list))
    deepest = nest(TYPED_NESTING_MAX, tuple)
    assert CODEC.decode(CODEC.encode(deepest)) == deepest
    with pytest.raises(EncodeError, match="64 tuples"):
        CODEC.encode(nest(TYPED_NESTING_MAX + 1, tuple))


def test_long_containers_are_refused_where_they_are_made() -> None:
    exact = [None] * CONTAINER_ITEMS_MAX
    assert len(CODEC.decode(CODEC.encode(exact))) == CONTAINER_ITEMS_MAX
    for value in ([*exact, 1], (*exact, 1), {"a": [Point(1, [*exact, 1])]}):
        with pytest.raises(EncodeError, match="1048577 items; the limit is 1048576"):
            CODEC.encode(value)
    big = {"text": "x" * 2_000_000, "rows": [[1, 2]] * 1000}
    assert CODEC.decode(CODEC.encode(big)) == big


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drumline_protocol.codec.VALUE_BYTES_MAX", 2_000_000)
    with pytest.raises(EncodeError, match="the limit is 2000000"):
        CODEC.encode("x" * 3_000_000)
    with pytest.raises(DecodeError, match="the limit is 2000000"):
        CODEC.decode(b"\xc0" * 3_000_000)


def test_hostile_objects_end_in_an_encode_error() -> None:
    class Liar:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            raise RuntimeError("no class")

        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    class Row(dict):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            raise RuntimeError("no items")

        def keys(self) -> Any:
            raise RuntimeError("no keys")

        items = keys

    for value in ([Liar()], {"a": Liar()}, [Row(a=1)]):
        with pytest.raises(EncodeError):
            CODEC.encode(value)


def test_a_failing_to_fields_is_told() -> None:
    from drumline_protocol.codec_types import register

    class Shy:
        pass

    def refuse(_obj: Any) -> Any:
        raise LookupError("not today")

    register(Shy, tag="test:Shy", to_fields=refuse, from_fields=refuse)
    with pytest.raises(EncodeError, match=r"value\[0\].*LookupError: 'not today'|not today"):
        CODEC.encode([Shy()])
    data = ext(32, msgpack.packb(["test:Shy", 1]))
    with pytest.raises(DecodeError, match="not today"):
        CODEC.decode(data)


def test_an_empty_table_knows_only_what_is_builtin() -> None:
    codec = Codec(TypeTable())
    assert codec.decode(codec.encode((1, {2}))) == (1, {2})
    assert isinstance(codec.decode(CODEC.encode(Color.RED)), Opaque)
