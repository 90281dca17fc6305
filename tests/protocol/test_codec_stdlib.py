"""Types of the standard library come back as what they were, and so do subclasses of Python's own types."""

from __future__ import annotations

import array
import http
import ipaddress
import pathlib
import re
import signal
import threading
import time
import types
import urllib.parse
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ByteSize, HttpUrl, NameEmail, PostgresDsn, SecretBytes, SecretStr
from tests.protocol.bombs import ext
from tests.protocol.samples import CODEC, Color, Model, Point, hashable

from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import Opaque, TypeTable, registered
from drumline_protocol.errors import DecodeError, EncodeError, RemoteError
from drumline_protocol.limits import PATTERN_CHARS_MAX


def back(value: Any, codec: Codec = CODEC) -> Any:
    return codec.decode(codec.encode(value))


VALUES: list[Any] = [
    OrderedDict(b=1, a=[2]),
    Counter("abca"),
    Counter(a=-1, b=0),
    defaultdict(list, a=[1]),
    defaultdict(None, a=1),
    defaultdict(Counter, a=Counter("x")),
    defaultdict(Model),  # type: ignore[arg-type]
    ChainMap({"a": 1}, {"b": (2,)}),
    UserDict({"a": (1,)}),
    UserList([1, (2,)]),
    UserString("text"),
    types.SimpleNamespace(a=1, b=(2,)),
    deque([1], maxlen=2),
    bytearray(b"bytes"),
    {"nested": [{"deep": [bytearray(b"x")]}], "č": bytearray()},
    (bytearray(b"x"), [bytearray(b"y")]),
    pathlib.PurePosixPath("/a/b"),
    pathlib.PureWindowsPath("C:/a/b"),
    pathlib.Path("a/é"),
    pathlib.PurePosixPath("/\udcff"),
    ipaddress.ip_address("10.0.0.1"),
    ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("::/0"),
    ipaddress.ip_interface("10.0.0.1/8"),
    ipaddress.ip_interface("::1/64"),
    re.compile("a(b)+", re.IGNORECASE | re.MULTILINE),
    re.compile(b"\\d"),
    Fraction(-3, 7),
    Fraction(2**200, 3),
    slice(1, None, (2,)),
    array.array("d", [1.5, -2.0]),
    array.array("H", [1, 65535]),
    ...,
    NotImplemented,
    time.gmtime(0),
    urllib.parse.urlsplit("https://a.b/c?d=e#f"),
    urllib.parse.urlparse(b"https://a.b/c"),
    http.HTTPStatus.NOT_FOUND,
    re.IGNORECASE | re.DOTALL,
    signal.SIGTERM,
    int,
    dict,
    type(None),
    datetime,
    Color,
    Model,
    Point,
    Counter,
    ValueError,
    SecretStr("hunter2"),
    SecretBytes(b"hunter2"),
    AnyUrl("redis://h:1/0"),
    HttpUrl("https://münchen.de/a?b=1#c"),
    PostgresDsn("postgresql://u:p@h1:1,h2:2/db"),
    ByteSize(5000),
    NameEmail("Ada", "ada@example.com"),
]


@pytest.mark.parametrize(
    "value", VALUES, ids=lambda value: f"{type(value).__name__} {value!r:.30}".encode("ascii", "replace").decode()
)
def test_values_come_back_as_what_they_were(value: Any) -> None:
    result = back({"a": [value]})["a"][0]
    assert type(result) is type(value)
    assert result == value
    assert repr(result) == repr(value)


def test_what_equality_does_not_see() -> None:
    made = OrderedDict(a=1, b=2)
    made.move_to_end("a")
    assert list(back(made)) == ["b", "a"]
    assert back(defaultdict(list))["new"] == []
    assert back(defaultdict(int, a=1)).default_factory is int
    assert back(deque([1], maxlen=3)).maxlen == 3
    assert back(ChainMap({"a": 1}, {"a": 2})).maps == [{"a": 1}, {"a": 2}]
    assert back(re.compile("x", re.ASCII)).flags == re.compile("x", re.ASCII).flags
    assert back(time.localtime()).tm_zone == time.localtime().tm_zone
    proxy = back(types.MappingProxyType({"a": 1}))
    assert (type(proxy), dict(proxy)) == (types.MappingProxyType, {"a": 1})
    assert back(ipaddress.ip_address("fe80::1%eth0")).scope_id == "eth0"


@pytest.mark.parametrize(
    "view",
    [
        memoryview(b"abc"),
        memoryview(bytearray(b"abcd")),
        memoryview(array.array("i", [1, 2, 3])),
        memoryview(bytes(12)).cast("B", (3, 4)),
    ],
    ids=["bytes", "bytearray", "ints", "two dimensions"],
)
def test_memoryviews(view: memoryview) -> None:
    result = back([view])[0]
    assert type(result) is memoryview
    assert (result.format, result.shape, result.readonly) == (view.format, view.shape, view.readonly)
    assert result.tobytes() == view.tobytes()


# -- subclasses ---------------------------------------------------------------------------------------


class MyStr(str):
    lang: str


class MyInt(int):
    pass


class MyFloat(float):
    __slots__ = ("unit",)


class MyBytes(bytes):
    pass


class MyList(list):  # type: ignore[type-arg]
    pass


class MyDict(dict):  # type: ignore[type-arg]
    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("no method of the class is called")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise AssertionError("no method of the class is called")


class MyTuple(tuple):  # type: ignore[type-arg]
    pass


class MySet(set):  # type: ignore[type-arg]
    pass


class MyFrozen(frozenset):  # type: ignore[type-arg]
    pass


class MyDefault(defaultdict):  # type: ignore[type-arg]
    pass


class MyOrdered(OrderedDict):  # type: ignore[type-arg]
    pass


class MyDeque(deque):  # type: ignore[type-arg]
    pass


class MyMoment(datetime):
    pass


class MyDay(date):
    pass


class MySpan(timedelta):
    pass


class MyDecimal(Decimal):
    pass


class MyUser(UserDict):  # type: ignore[type-arg]
    pass


class MyNames(types.SimpleNamespace):
    pass


def subclass_objects() -> list[Any]:
    text = MyStr("x")
    text.lang = "en"
    number = MyFloat(1.5)
    number.unit = "km"  # type: ignore[attr-defined, misc]
    rows = MyList([1, (2,)])
    rows.of = "t"  # type: ignore[attr-defined]
    return [
        text,
        MyInt(2**70),
        MyInt(-3),
        number,
        MyBytes(b"b"),
        rows,
        MyDict(a=(1,)),
        MyTuple((1, [2])),
        MySet({1, 2}),
        MyFrozen({1}),
        MyDefault(list, a=[1]),
        MyOrdered(b=1, a=2),
        MyDeque([1], 3),
        MyMoment(2024, 10, 27, 2, 30, fold=1, tzinfo=timezone.utc),
        MyDay(2024, 1, 2),
        MySpan(1, 2, 3),
        MyDecimal("1.10"),
        MyUser(a=1),
        MyNames(a=(1,)),
    ]


CLASSES = [type(value) for value in subclass_objects()]


@pytest.mark.parametrize("value", subclass_objects(), ids=lambda value: type(value).__name__)
def test_subclasses_keep_their_type_where_they_are_known(value: Any) -> None:
    result = back([value], CODEC.with_types(CLASSES))[0]
    assert type(result) is type(value)
    assert result == value
    assert getattr(result, "__dict__", None) == getattr(value, "__dict__", None)
    assert getattr(result, "unit", None) == getattr(value, "unit", None)


@pytest.mark.parametrize("value", subclass_objects(), ids=lambda value: type(value).__name__)
def test_subclasses_that_nobody_knows_are_refused_where_they_lie(value: Any) -> None:
    with pytest.raises(EncodeError, match="regist") as caught:
        CODEC.encode({"docs": [(1, value)]}, "state")
    assert caught.value.path == "state['docs'][0][1]"
    assert caught.value.type_name.endswith(type(value).__name__)


def test_a_reader_without_the_class_passes_it_on() -> None:
    knowing = CODEC.with_types(CLASSES)
    data = knowing.encode([MyStr("x"), MyDict(a=1)])
    there = CODEC.decode(data)
    assert [type(value) for value in there] == [Opaque, Opaque]
    assert CODEC.encode(there) == data


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        hashable.filter(lambda value: "nan" not in repr(value).lower()),
        lambda inner: st.one_of(
            st.dictionaries(st.text(max_size=3), inner, max_size=3).map(OrderedDict),
            st.dictionaries(st.text(max_size=3), inner, max_size=3).map(lambda items: defaultdict(list, items)),
            st.dictionaries(st.text(max_size=3), st.integers(), max_size=3).map(Counter),
            st.lists(inner, max_size=3).map(MyList),
            st.lists(inner, max_size=3).map(MyTuple),
            st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
                lambda items: types.SimpleNamespace(**{"a": items})
            ),
            st.binary(max_size=5).map(bytearray),
            st.text(max_size=5).map(MyStr),
            st.fractions(),
            st.ip_addresses(),
            st.builds(slice, inner, inner, inner),
        ),
        max_leaves=8,
    )
)
def test_whatever_lies_inside_comes_back(value: Any) -> None:
    codec = CODEC.with_types(CLASSES)
    data = codec.encode(value)
    result = codec.decode(data)
    assert result == value
    assert type(result) is type(value)
    assert codec.encode(result) == data


# -- exceptions ---------------------------------------------------------------------------------------


class AppError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


def test_exceptions_are_values() -> None:
    codec = CODEC.with_types([AppError])
    error = AppError(7)
    error.__cause__ = KeyError("k")
    result = back({"errors": [error]}, codec)["errors"][0]
    assert type(result) is AppError
    assert (str(result), result.args, result.code) == ("code 7", ("code 7",), 7)
    assert repr(result.__cause__) == "KeyError('k')"
    for builtin in (
        ValueError("x", 1),
        OSError(2, "no", "f"),
        KeyError("k"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ):
        result = back(builtin)
        assert type(result) is type(builtin)
        assert (str(result), result.args) == (str(builtin), builtin.args)


def test_exceptions_of_unknown_classes_are_told_and_passed_on() -> None:
    knowing = CODEC.with_types([AppError])
    there = CODEC.decode(CODEC.encode([AppError(7)]))
    assert type(there[0]) is RemoteError
    assert str(there[0]).endswith("AppError: code 7")
    again = knowing.decode(CODEC.encode(there))[0]
    assert (type(again), again.code) == (AppError, 7)


def test_what_an_exception_holds_does_not_keep_it_from_crossing() -> None:
    error = ValueError("no", threading.Lock())
    error.handle = threading.Lock()  # type: ignore[attr-defined]
    result = back(error)
    assert type(result) is ValueError
    assert "no" in str(result)


# -- secrets ------------------------------------------------------------------------------------------


class Login(BaseModel):
    user: str
    password: SecretStr


def test_secrets_cross_and_are_never_shown() -> None:
    codec = CODEC.with_types([Login])
    value = {"login": Login(user="u", password=SecretStr("hunter2")), "key": SecretBytes(b"hunter2")}
    data = codec.encode(value)
    result = codec.decode(data)
    assert result["login"].password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(result)
    # a reader that does not know the class around it
    assert "hunter2" not in repr(CODEC.decode(data))
    with pytest.raises(EncodeError) as caught:
        CODEC.encode({SecretStr("hunter2"): {"x": [Login(user="u", password=SecretStr("hunter2"))]}}, "state")
    shown = "".join(map(str, (caught.value, caught.value.args, caught.value.__cause__)))
    assert "hunter2" not in shown


@pytest.mark.parametrize("parts", [[["hunter2"]], ["hunter2", 1], [["hunter2", 2]], [None]])
@pytest.mark.parametrize("tag", ["pydantic:SecretStr", "pydantic:SecretBytes"])
def test_bad_bytes_of_a_secret_do_not_tell_it(tag: str, parts: list[Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(ext(32, msgpack.packb([tag, *parts])))
    assert "hunter2" not in str(caught.value)


# -- hostile bytes ------------------------------------------------------------------------------------


def frame(tag: str, *parts: Any, code: int = 32) -> bytes:
    return ext(code, msgpack.packb([tag, *parts]))


def test_what_takes_long_is_bounded() -> None:
    with pytest.raises(EncodeError, match=f"the limit is {PATTERN_CHARS_MAX}"):
        CODEC.encode(re.compile("x" * (PATTERN_CHARS_MAX + 1)))
    with pytest.raises(DecodeError):
        CODEC.decode(frame("python:re.Pattern", "x" * (PATTERN_CHARS_MAX + 1), 0, code=34))
    # it must be told as slow, and so counts as many
    with pytest.raises(DecodeError, match="takes long"):
        CODEC.decode(frame("python:re.Pattern", "x", 0))
    many = msgpack.Packer().pack_array_header(5000) + frame("python:re.Pattern", "x" * 20, 32, code=34) * 5000
    with pytest.raises(DecodeError, match="more than 262144 typed values"):
        CODEC.decode(many)
    with pytest.raises(EncodeError, match="more than 262144 typed values"):
        CODEC.encode([re.compile("x" * 20)] * 5000)


def test_a_codec_may_leave_values_as_they_came() -> None:
    passing = Codec(passes=["python:re.Pattern"])
    data = CODEC.encode({"a": re.compile("x")})
    result = passing.decode(data)
    assert type(result["a"]) is Opaque
    assert passing.encode(result) == data


@pytest.mark.parametrize(
    "data",
    [
        frame("python:Fraction", 1, 0),
        frame("python:Fraction", "1", 2),
        frame("python:re.Pattern", "(", 0, code=34),
        frame("python:re.Pattern", "(" * 5000, 0, code=34),
        frame("python:array", "q", 8, b"123"),
        frame("python:array", "Z", 8, b""),
        frame("python:memoryview", b"123", "q", 8, [2], True),
        frame("python:memoryview", b"", "B", 1, [0, 2**62], True),
        frame("python:struct_time", [1] * 8, None, None),
        frame("python:IPv4Address", "1.2.3"),
        frame("python:IPv4Address", ["1.2.3.4"]),
        frame("python:defaultdict", [1, {}]),
        frame("python:MappingProxyType", [1]),
        frame("python:exception", 1),
        frame("python:class", 5),
        frame("pydantic:Url", "not a url"),
        frame("python:slice", 1),
    ],
)
def test_forged_parts_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(data)


@pytest.mark.parametrize(
    "tag", ["python:os.system", "python:class", "pydantic:create_model", "numpy:fromfile", "pandas:read_pickle"]
)
def test_tags_lead_to_nothing_but_the_table(tag: str) -> None:
    code = 34 if tag.startswith("pandas") else 32
    assert type(CODEC.decode(frame(tag, "os:system", code=code))) is Opaque


def test_registered_functions_come_first() -> None:
    from drumline_protocol.codec_types import register

    try:
        register(
            Fraction, tag="t:Half", to_fields=lambda f: [f.numerator], from_fields=lambda parts: Fraction(parts[0], 2)
        )
        assert back(Fraction(3, 7), Codec()) == Fraction(3, 2)
    finally:
        registered._by_class.pop(Fraction)
        registered._by_tag.pop("t:Half")
    assert back(Fraction(3, 7), Codec()) == Fraction(3, 7)


def test_the_tables_bytes_are_what_they_were() -> None:
    """Golden bytes: of a rolling deployment and of old logs."""
    value = [OrderedDict(a=1), defaultdict(int, b=2), pathlib.PurePosixPath("/x"), UUID(int=1)]
    codec = Codec(TypeTable())
    assert codec.decode(codec.encode(value)) == value
    assert codec.encode(pathlib.PurePosixPath("/x")) == frame("python:PurePosixPath", "/x")
    assert codec.encode(Counter("a")) == frame("python:Counter", {"a": 1})
    assert codec.encode(int) == frame("python:class", "builtins:int")
    assert codec.encode(SecretStr("s")) == frame("pydantic:SecretStr", "s")
