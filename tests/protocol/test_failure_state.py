"""What an exception holds comes back with it: attributes, causes, members, lines of pydantic; bounded, no secrets."""

from __future__ import annotations

import enum
import io
import json
import subprocess
import sys
import urllib.error
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph import errors as langgraph_errors
from pydantic import BaseModel, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from drumline_graph.errors import NodeTimeoutError, UnknownInterruptError
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import RemoteError
from drumline_protocol.failure import Failure, FarTraceback, describe, rebuild
from drumline_protocol.limits import (
    FAILURE_ATTRIBUTES_BYTES_MAX,
    FAILURE_ATTRIBUTES_MAX,
    FAILURE_DETAILS_MAX,
    FAILURE_PARTS_MAX,
    FAILURE_STATE_BYTES_MAX,
)


@dataclass
class Place:
    line: int


CODEC = Codec(TypeTable().with_types([Place]))


def crossed(exc: BaseException, *known: type[BaseException]) -> Any:
    failure = describe(exc, CODEC)
    return rebuild(CODEC.decode(CODEC.encode(failure)), known)


class Api(Exception):
    """Takes other arguments than it passes on, and keeps them."""

    def __init__(self, status: int, *, body: Any = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body


class Mute(Exception):
    """Passes nothing on; what it says comes from what it keeps."""

    def __init__(self, place: Place, hint: str = "") -> None:
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        return f"at line {self.place.line}: {self.hint}"


class Twice(Exception):
    """Says something else if it is built from what it says."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name}")
        self.name = name


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__("slotted")
        self.code = code


class Disk(OSError):
    def __init__(self, number: int, text: str, path: str, retry: bool) -> None:
        super().__init__(number, text, path)
        self.retry = retry


class Level(enum.IntEnum):
    HIGH = 2


class Computed(Exception):
    def __init__(self, value: int) -> None:
        super().__init__("computed")
        self._value = value

    @property
    def value(self) -> int:
        return self._value * 2


def later() -> Exception:
    error = ValueError("boom")
    error.where = Place(3)  # type: ignore[attr-defined]
    error.steps = [1, (2, {"three"})]  # type: ignore[attr-defined]
    return error


CASES: dict[str, tuple[Exception, dict[str, Any]]] = {
    "other arguments": (Api(404, body={"detail": ["gone"]}), {"status": 404, "body": {"detail": ["gone"]}}),
    "no arguments": (Mute(Place(7), "x"), {"place": Place(7), "hint": "x"}),
    "built twice": (Twice("door"), {"name": "door"}),
    "slots": (Slotted(5), {"code": 5}),
    "set afterwards": (later(), {"where": Place(3), "steps": [1, (2, {"three"})]}),
    "property": (Computed(4), {"value": 8}),
    "os error": (
        Disk(28, "No space", "/x", True),
        {"errno": 28, "strerror": "No space", "filename": "/x", "retry": True},
    ),
    "two files": (OSError(18, "link", "a", None, "b"), {"filename": "a", "filename2": "b"}),
    "key error": (KeyError("k", 2), {"args": ("k", 2)}),
    "import error": (ImportError("no", name="m", path="/p"), {"name": "m", "path": "/p", "msg": "no"}),
    "name error": (NameError("no n", name="n"), {"name": "n"}),
    "syntax error": (SyntaxError("bad", ("f.py", 3, 1, "x =", 3, 4)), {"filename": "f.py", "lineno": 3, "text": "x ="}),
    "unicode": (UnicodeEncodeError("ascii", "ü", 0, 1, "no"), {"object": "ü", "start": 0, "reason": "no"}),
    "json": (json.JSONDecodeError("bad", "{x", 1), {"pos": 1, "doc": "{x", "lineno": 1, "colno": 2}),
    "process": (
        subprocess.CalledProcessError(3, ["ls"], output=b"o", stderr=b"e"),
        {"returncode": 3, "cmd": ["ls"], "stderr": b"e"},
    ),
    "url": (urllib.error.URLError("no host"), {"reason": "no host"}),
    "timeout": (
        NodeTimeoutError("n", 3.0, kind="run", run_timeout=2.0),
        {"node": "n", "kind": "run", "run_timeout": 2.0, "elapsed": 3.0},
    ),
    "interrupt": (
        UnknownInterruptError("which", reason="ambiguous", pending_ids=["a"]),
        {"reason": "ambiguous", "pending_ids": ("a",)},
    ),
    "langgraph": (langgraph_errors.GraphRecursionError("limit"), {"args": ("limit",)}),
}


@pytest.mark.parametrize(("exc", "expected"), CASES.values(), ids=CASES.keys())
def test_attributes_come_back(exc: Exception, expected: dict[str, Any]) -> None:
    result = crossed(exc, type(exc))
    assert type(result) is type(exc)
    assert str(result) == str(exc)
    assert {name: getattr(result, name) for name in expected} == expected
    assert result.args == exc.args


@pytest.mark.parametrize("name", ["json", "process", "url", "langgraph"])
def test_classes_of_the_standard_library_and_of_langgraph_need_not_be_given(name: str) -> None:
    exc, _ = CASES[name]
    assert type(crossed(exc)) is type(exc)


@pytest.mark.parametrize(
    "name", ["antigravity.Boom", "os.path.join", "subprocess.Popen", "asyncio.CancelledError", "this.x"]
)
def test_no_other_name_of_the_standard_library_is_a_class_to_build(name: str) -> None:
    before = set(sys.modules)
    assert type(rebuild(Failure(name, "m", ["echo"]))) is RemoteError
    assert set(sys.modules) == before


def test_a_class_that_is_not_known_gives_its_attributes_all_the_same() -> None:
    result = crossed(Api(404, body={"detail": Place(1)}))
    assert type(result) is RemoteError
    assert result.attributes == {"status": 404, "body": {"detail": Place(1)}}
    assert str(result) == f"{__name__}.Api: status 404"
    # and one that the reader has no table for is plain data
    blind = rebuild(Codec().decode(CODEC.encode(describe(later(), CODEC))))
    assert blind.where.fields == {"line": 3}  # type: ignore[attr-defined]


def test_what_cannot_cross_is_named_and_costs_nothing_else() -> None:
    request = httpx.Request("POST", "https://api.example/v1", headers={"Authorization": "Bearer hidden-key"})
    response = httpx.Response(429, request=request, json={"error": "slow down"})
    exc = openai.RateLimitError("slow down", response=response, body={"code": "rate", "type": "tokens"})  # type: ignore[arg-type]
    result = crossed(exc, openai.RateLimitError)
    assert isinstance(result, openai.RateLimitError)
    assert isinstance(result, openai.APIStatusError)
    assert (str(result), result.status_code, result.code, result.body) == (str(exc), 429, "rate", exc.body)
    left = [note for note in result.__notes__ if note.startswith("Left behind")]
    assert len(left) == 1
    assert "response (httpx.Response)" in left[0]
    assert "request (httpx.Request)" in left[0]
    assert b"hidden-key" not in CODEC.encode(describe(exc, CODEC))
    failed = httpx.HTTPStatusError("429", request=request, response=response)
    assert type(crossed(failed, httpx.HTTPStatusError)) is httpx.HTTPStatusError


class Settings(BaseModel):
    key: SecretStr


class Keyring(list):  # type: ignore[type-arg]
    """Its secret lies in a private slot, whose name is another outside of the class."""

    __slots__ = ("__key",)

    def __init__(self, key: str) -> None:
        self.__key = SecretStr(key)


class Label(str):
    """A text with an attribute."""

    key: SecretStr


def label(key: SecretStr) -> Label:
    made = Label("label")
    made.key = key
    return made


@pytest.mark.parametrize(
    "held",
    [
        SecretStr("hunter2"),
        {"deep": [(SecretStr("hunter2"),)]},
        Settings(key=SecretStr("hunter2")),
        ValueError(SecretStr("hunter2")),
        Keyring("hunter2"),
        label(SecretStr("hunter2")),
        pydantic.SecretBytes(b"hunter2"),
    ],
    ids=["secret", "deep", "model", "exception", "private slot", "subclass of text", "bytes"],
)
def test_secrets_stay_behind(held: Any) -> None:
    codec = Codec(TypeTable().with_types([Settings, Keyring, Label]))
    exc = Api(1, body=held)
    exc.args = ("said", held)
    data = codec.encode(describe(exc, codec))
    assert b"hunter2" not in data
    result = rebuild(codec.decode(data), [Api])
    assert isinstance(result, Api)
    assert result.status == 1
    assert "hunter2" not in repr(vars(result))


# -- causes and groups -----------------------------------------------------------------------------


def test_causes_come_back_with_their_attributes() -> None:
    inner = Api(500, body=[1])
    middle, outer = Twice("door"), RuntimeError("outer")
    middle.__context__ = inner
    outer.__cause__ = middle
    middle.__notes__ = ["a note"]  # type: ignore[attr-defined]
    result = crossed(outer, Api, Twice)
    assert type(result.__cause__) is Twice
    assert result.__suppress_context__
    assert result.__cause__.name == "door"
    assert result.__cause__.__notes__ == ["a note"]
    assert type(result.__cause__.__context__) is Api
    assert result.__cause__.__context__.body == [1]


def has_no_cause(exc: BaseException) -> bool:
    """On Python 3.10, which prints no notes, the far traceback stands there."""
    return exc.__cause__ is None or (sys.version_info < (3, 11) and isinstance(exc.__cause__, FarTraceback))


def test_a_context_that_was_put_aside_stays_away() -> None:
    try:
        try:
            raise Api(1)
        except Api:
            raise ValueError("other") from None
    except ValueError as exc:
        result = crossed(exc, Api)
    assert result.__context__ is None
    assert has_no_cause(result)


def test_exceptions_that_are_attributes_come_back() -> None:
    exc = Api(1, body=Twice("door"))
    result = crossed(exc, Api, Twice)
    assert type(result.body) is Twice
    assert result.body.name == "door"


def test_circles_end() -> None:
    one, other = Api(1), Api(2)
    one.__cause__, other.__cause__ = other, one
    one.body = one
    result = crossed(one, Api)
    assert result.__cause__.status == 2
    assert has_no_cause(result.__cause__)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11")
def test_groups_come_back_with_members_and_attributes() -> None:
    class Several(ExceptionGroup):  # type: ignore[type-arg]  # noqa: F821
        def derive(self, members: Any) -> Any:
            return Several(self.message, members)

    group = Several("some", [Api(1), ExceptionGroup("inner", [KeyError("k")])])  # noqa: F821
    group.code = 7  # type: ignore[attr-defined]
    result = crossed(group, Several, Api)
    assert type(result) is Several
    assert (result.message, result.code, result.exceptions[0].status) == ("some", 7, 1)  # type: ignore[attr-defined, union-attr]
    assert result.exceptions[1].exceptions[0].args == ("k",)  # type: ignore[union-attr]
    assert result.subgroup(KeyError).exceptions[0].exceptions[0].args == ("k",)  # type: ignore[union-attr]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11")
def test_a_large_group_is_cut_and_says_so() -> None:
    result = crossed(ExceptionGroup("many", [ValueError(number) for number in range(100)]))  # noqa: F821
    assert len(result.exceptions) == FAILURE_PARTS_MAX - 1
    assert any("69 more exceptions" in note for note in result.__notes__)


def test_a_class_that_wants_what_was_left_behind_is_rebuilt_all_the_same() -> None:
    body: Any = io.BytesIO(b"page")
    result = crossed(urllib.error.HTTPError("http://x", 404, "nope", {"a": "b"}, body))  # type: ignore[arg-type]
    assert (type(result), str(result), result.code) == (urllib.error.HTTPError, "HTTP Error 404: nope", 404)
    assert any("fp (_io.BytesIO)" in note for note in vars(result)["__notes__"])


# -- pydantic --------------------------------------------------------------------------------------


class Form(BaseModel):
    age: int
    name: str
    ratio: float = 1.0
    checked: int = 0
    custom: int = 0

    @field_validator("checked")
    @classmethod
    def _checked(cls, value: int) -> int:
        if value:
            raise ValueError("bad {value}")
        return value

    @field_validator("custom")
    @classmethod
    def _custom(cls, value: int) -> int:
        if value:
            raise PydanticCustomError("of_ours", "not {what}", {"what": value})
        return value


def refused(model: Any = Form, **values: Any) -> ValidationError:
    with pytest.raises(ValidationError) as told:
        model(**values)
    return told.value


def test_a_validation_error_comes_back_as_it_was() -> None:
    error = refused(age="x", name=3, ratio=[1], checked=1, custom=2)
    result = crossed(error)
    assert type(result) is ValidationError
    assert str(result) == str(error)
    assert result.title == error.title
    assert result.error_count() == error.error_count() == 5
    assert json.loads(result.json()) == json.loads(error.json())
    assert [line["loc"] for line in result.errors()] == [line["loc"] for line in error.errors()]
    assert str(result.errors()[3]["ctx"]["error"]) == "bad {value}"


def test_what_was_set_on_a_validation_error_crosses_too() -> None:
    error: Any = refused(age="x", name=3)
    error.form, error.asked = "age", ["n", 1]
    result: Any = crossed(error)
    assert (result.form, result.asked) == ("age", ["n", 1])


def test_an_input_that_cannot_cross_is_its_text() -> None:
    result = crossed(refused(age=object(), name="n"))
    assert type(result) is ValidationError
    assert result.errors()[0]["input"].startswith("<object object at")
    assert result.errors()[0]["type"] == "int_type"


def test_secrets_and_hidden_inputs_of_validation_stay_behind() -> None:
    class Hiding(Form):
        model_config = {"hide_input_in_errors": True}

    for error in (refused(age=SecretStr("hunter2"), name="n"), refused(Hiding, age="hunter2", name="n")):
        failure = describe(error, CODEC)
        assert b"hunter2" not in CODEC.encode(failure)
        result = rebuild(failure)
        assert type(result) is ValidationError
        assert "hunter2" not in str(result)


def test_a_long_validation_error_is_cut() -> None:
    many = pydantic.create_model("Many", rows=(list[int], ...))
    error = refused(many, rows=["x"] * 1000)
    result = crossed(error)
    assert result.error_count() == FAILURE_DETAILS_MAX


# -- bounds ----------------------------------------------------------------------------------------


def parts_of(exc: Any, seen: set[int]) -> int:
    if exc is None or id(exc) in seen or isinstance(exc, FarTraceback):
        return 0
    seen.add(id(exc))
    inside = [value for value in vars(exc).values() if isinstance(value, BaseException)]
    return 1 + sum(parts_of(each, seen) for each in (exc.__cause__, exc.__context__, *inside))


def test_a_long_chain_is_cut() -> None:
    exc: BaseException = ValueError("first")
    for number in range(1000):
        above = Api(number)
        above.__cause__ = exc
        exc = above
    failure = describe(exc, CODEC)
    assert parts_of(rebuild(CODEC.decode(CODEC.encode(failure)), [Api]), set()) == FAILURE_PARTS_MAX


def test_many_and_large_attributes_stay_behind() -> None:
    exc = Api(1)
    for number in range(1000):
        setattr(exc, f"a{number}", number)
    result = crossed(exc, Api)
    assert len(vars(result)) - len(getattr(result, "__notes__", ())) <= FAILURE_ATTRIBUTES_MAX + 1
    exc = Api(1, body=b"x" * (FAILURE_ATTRIBUTES_BYTES_MAX + 1))
    result = crossed(exc, Api)
    assert not hasattr(result, "body") or result.body is None
    assert any("body (bytes)" in note for note in result.__notes__)
    exc = Api(1)
    for number in range(20):
        setattr(exc, f"b{number}", b"x" * (FAILURE_ATTRIBUTES_BYTES_MAX - 100))
    assert len(CODEC.encode(describe(exc, CODEC))) < FAILURE_STATE_BYTES_MAX + 100_000


class Hostile(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise SystemExit

    def __getattribute__(self, name: str) -> Any:
        if name in ("__dict__", "args"):
            raise KeyboardInterrupt
        return super().__getattribute__(name)


def test_hostile_attributes_do_not_get_out() -> None:
    assert describe(Hostile("x"), CODEC).message == "x"
    exc = Api(1)
    vars(exc).update({"__class__": int, "args": 5, "__cause__": 7, "status": 9})
    result = crossed(exc, Api)
    assert type(result) is Api
    assert result.status == 9
    assert has_no_cause(result)


junk: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
failures: Any = st.recursive(
    st.builds(Failure, st.sampled_from(["ValueError", "ExceptionGroup", "x.Y"]), st.text(max_size=3), junk),
    lambda inner: st.builds(
        Failure,
        st.sampled_from(["KeyError", "ExceptionGroup", "pydantic_core._pydantic_core.ValidationError", "OSError"]),
        st.text(max_size=3),
        junk,
        attributes=junk | st.dictionaries(st.sampled_from(["args", "__class__", "x", "errno"]), inner | junk),
        left=junk,
        cause=inner | junk,
        context=inner | junk,
        members=st.lists(inner | junk, max_size=3) | junk,
        details=junk | st.tuples(st.just("t"), st.just("python"), junk, st.lists(junk)),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(failures)
def test_forged_failures_are_rebuilt(failure: Failure) -> None:
    result = rebuild(failure)
    assert isinstance(result, Exception)
    str(result)


values: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.builds(Place, st.integers()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
names: Any = st.sampled_from(["a", "code", "message", "x_y", "_hidden", "ünï"])


@settings(max_examples=200, deadline=None)
@given(st.lists(values, max_size=3), st.dictionaries(names, values, max_size=4))
def test_any_attributes_and_arguments_come_back(args: list[Any], attributes: dict[str, Any]) -> None:
    exc = RuntimeError(*args)
    vars(exc).update(attributes)
    result = crossed(exc)
    assert type(result) is RuntimeError
    assert list(result.args) == args
    assert {name: value for name, value in vars(result).items() if name != "__notes__"} == attributes
