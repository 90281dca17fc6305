"""What registered classes do while they are written and read: whatever it is, it ends in an error of ours."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import pytest
from pydantic import BaseModel, Field
from tests.protocol.bombs import ext
from tests.protocol.samples import CODEC

from drumline_protocol import codec_types
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.codec_types import TypeTable, register, structure
from drumline_protocol.errors import DecodeError, EncodeError
from drumline_protocol.failure import Failure, describe, rebuild


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__", "__name__"):
            raise SystemExit("no name")
        return super().__getattribute__(name)


class Anonymous(Exception, metaclass=Nameless):
    pass


RAISED = [
    LookupError("not today"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"),
    RecursionError("deep"),
    MemoryError(),
    StopIteration(1),
    DecodeError("of another"),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    Mute(),
    Anonymous("x"),
]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_types.registered, "_by_class", dict(codec_types.registered._by_class))
    monkeypatch.setattr(codec_types.registered, "_by_tag", dict(codec_types.registered._by_tag))
    monkeypatch.setattr(codec_types.registered, "_by_qualname", dict(codec_types.registered._by_qualname))


def raising(exc: BaseException) -> Callable[..., Any]:
    def raise_it(*_args: Any, **_more: Any) -> Any:
        raise exc

    return raise_it


@pytest.mark.parametrize("exc", RAISED, ids=lambda exc: type(exc).__mro__[1].__name__)
def test_converters_may_raise_what_they_like(exc: BaseException) -> None:
    class Thing:
        pass

    register(Thing, tag="t:Thing", to_fields=raising(exc), from_fields=raising(exc))
    with pytest.raises(EncodeError) as caught:
        CODEC.encode({"docs": [1, Thing()]}, "state")
    assert caught.value.path == "state['docs'][1]"
    assert "its fields cannot be read" in caught.value.reason
    for data in (ext(32, msgpack.packb(["t:Thing", 1])), ext(1, b"\x91" + ext(32, msgpack.packb(["t:Thing", 1])))):
        with pytest.raises(DecodeError, match="'t:Thing' cannot be built"):
            CODEC.decode(data)
        with pytest.raises(DecodeError):
            _ = Boxed(data, CODEC).value


def test_converters_may_give_what_they_like() -> None:
    class Thing:
        pass

    for nonsense in (Thing(), [Thing(), Thing()], object(), open, {object(): 1}, float("nan"), 2**70, "\ud800", b"x"):
        given = nonsense
        codec_types.registered._by_tag.pop("t:Thing", None)
        register(Thing, tag="t:Thing", to_fields=lambda _obj: given, from_fields=lambda _data: given)  # noqa: B023
        try:
            data = CODEC.encode([Thing()])
        except EncodeError as error:
            assert error.path.startswith("value[0]")  # noqa: PT017
        else:
            assert CODEC.decode(data)[0] is given
    # What cannot be a key
    register(Thing, tag="t:Thing", to_fields=lambda _obj: 1, from_fields=lambda _data: [])
    with pytest.raises(DecodeError, match="unhashable"):
        CODEC.decode(b"\x81" + ext(32, msgpack.packb(["t:Thing", 1])) + b"\xc0")


def test_a_keyboard_interrupt_is_the_users() -> None:
    class Thing:
        pass

    register(Thing, tag="t:Thing", to_fields=raising(KeyboardInterrupt()), from_fields=raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        CODEC.encode(Thing())
    with pytest.raises(KeyboardInterrupt):
        CODEC.decode(ext(32, msgpack.packb(["t:Thing", 1])))


class Color(enum.Flag):
    RED = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise SystemExit(value)


class Grown(BaseModel):
    x: int = Field(default_factory=raising(SystemExit(1)))


@dataclass
class Later:
    x: int = field(default_factory=raising(SystemExit(1)))


@pytest.mark.parametrize(("cls", "parts"), [(Color, [64]), (Grown, [{}]), (Later, [{}])], ids=["Flag", "model", "data"])
def test_defaults_and_missing_members(cls: Any, parts: list[Any]) -> None:
    wire_type = structure(cls, "t:C")
    assert wire_type is not None
    codec = Codec(TypeTable([wire_type]))
    with pytest.raises(DecodeError, match="'t:C' cannot be built: "):
        codec.decode(ext(32, msgpack.packb(["t:C", *parts])))


@dataclass(frozen=True)
class Key:
    """Raises `exc` when it is hashed, compared, shown or deleted."""

    n: int
    exc: type[BaseException] = SystemExit
    #: which hashes are equal
    same: int = 1

    def __hash__(self) -> int:
        if self.n < 0:
            raise self.exc("no hash")
        return self.same

    def __eq__(self, other: object) -> bool:
        raise self.exc("no comparison")

    def __repr__(self) -> str:
        raise self.exc("no text")


@pytest.fixture
def keyed() -> Codec:
    register(Key, tag="t:Key", to_fields=lambda key: key.n, from_fields=Key)
    return CODEC


def test_keys_that_raise(keyed: Codec) -> None:
    one, other, bad = (ext(32, msgpack.packb(["t:Key", n])) for n in (1, 2, -1))
    for data in (
        b"\x82" + one + b"\xc0" + other + b"\xc0",
        ext(2, b"\x92" + one + other),
        ext(3, b"\x91" + bad),
        b"\x81" + bad + b"\xc0",
        b"\x81" + ext(1, b"\x91" + bad) + b"\xc0",
    ):
        with pytest.raises(DecodeError, match=r"no comparison|no hash"):
            keyed.decode(data)
    with pytest.raises(EncodeError):
        keyed.encode({Key(1): open})


class Restless:
    """Raises wherever it is touched."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __del__(self) -> None:
        raise SystemExit("in __del__")

    def __eq__(self, other: object) -> bool:
        raise SystemExit("eq")

    def __hash__(self) -> int:
        raise SystemExit("hash")

    def __bool__(self) -> bool:
        raise SystemExit("bool")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_objects_that_raise_wherever_they_are_touched() -> None:
    for value in (Restless(), [Restless()], {"a": (Restless(),)}):
        with pytest.raises(EncodeError):
            CODEC.encode(value)
    assert type(CODEC.decode(CODEC.encode(Exception(Restless())))) is Exception
    failure = describe(ValueError(Restless()), CODEC)
    assert failure.args is None
    assert isinstance(rebuild(failure), BaseException)


class Lying(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise SystemExit

    __iter__ = keys = values = __len__ = items


class Odd(str):
    def __str__(self) -> str:
        raise SystemExit

    __len__ = __hash__ = isascii = __str__  # type: ignore[assignment]


@pytest.mark.parametrize("value", [Lying(a=1), [Odd("x")], {"a": Odd("x")}])
def test_subclasses_of_builtins_that_lie_are_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match="is not known"):
        CODEC.encode(value)


def test_subclasses_of_builtins_that_lie_cross_as_what_they_hold() -> None:
    codec = CODEC.with_types([Lying, Odd])
    lying, odd = codec.decode(codec.encode([Lying(a=1), Odd("x")]))
    assert (type(lying), dict.__getitem__(lying, "a")) == (Lying, 1)
    assert (type(odd), str.upper(odd)) == (Odd, "X")


# -- exceptions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("exc", RAISED, ids=lambda exc: type(exc).__mro__[1].__name__)
def test_every_exception_becomes_a_failure_that_crosses(exc: BaseException) -> None:
    failure = CODEC.decode(CODEC.encode(describe(exc, CODEC)))
    assert type(failure) is Failure
    assert failure.class_name
    assert isinstance(rebuild(failure), BaseException)


def test_arguments_are_encoded_once_and_read_only_by_who_builds_the_exception() -> None:
    class Thing:
        pass

    calls: list[str] = []
    register(
        Thing,
        tag="t:Thing",
        to_fields=lambda _obj: calls.append("to") or (raising(SystemExit())() if len(calls) > 1 else 1),  # type: ignore[func-returns-value]
        from_fields=lambda _data: calls.append("from"),
    )
    failure = CODEC.decode(CODEC.encode(describe(ValueError(Thing()), CODEC)))
    assert calls == ["to"]
    built = rebuild(failure)
    assert calls == ["to", "from"]
    assert type(built) is ValueError


@pytest.mark.parametrize("args", [[1], ["boom"], 5, None, (1,), {"a": 1}, Boxed(b"\xc1", CODEC), CODEC.box(5)])
def test_a_failure_with_any_arguments_is_an_exception(args: Any) -> None:
    built = rebuild(Failure("ValueError", "boom", args))
    assert type(built) is ValueError
    assert str(built) == "boom"


def test_classes_that_do_not_tell_their_name() -> None:
    with pytest.raises(EncodeError, match="a class that does not tell its name"):
        CODEC.encode([Nameless("Hostile", (), {})()])
