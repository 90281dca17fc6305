"""Exceptions cross as data, come back as what they were if the class is known, and never hurt."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drumline_graph.errors import (
    DrumlineError,
    FeatureNotBuilt,
    GraphRecursionError,
    InvalidUpdateError,
    NodeTimeoutError,
)
from drumline_protocol import errors
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError, RemoteError, TaskLost, UnknownGraph
from drumline_protocol.failure import Failure, FarTraceback, class_name_of, describe, own_classes, place_of, rebuild
from drumline_protocol.limits import (
    FAILURE_MESSAGE_CHARS_MAX,
    FAILURE_NOTES_MAX,
    FAILURE_TRACEBACK_CHARS_MAX,
)

CODEC = Codec()


class Custom(Exception):
    """Takes other arguments than it passes on."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class Plain(Exception):
    pass


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc
    except BaseException as caught:
        return caught


def crossed(exc: BaseException, known: Any = ()) -> BaseException:
    failure = describe(raised(exc), CODEC)
    return rebuild(CODEC.decode(CODEC.encode(failure)), known)


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("boom"),
        ValueError(),
        ValueError("a", 1, (2,)),
        KeyError("missing"),
        FileNotFoundError(2, "No such file or directory", "/tmp/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ZeroDivisionError("division by zero"),
        TimeoutError("late"),
        RecursionError("deep"),
        AssertionError("a != b"),
        ValueError("\ud800"),
        InvalidUpdateError("two writers"),
        GraphRecursionError.of(25),
        FeatureNotBuilt("x", "y"),
        NodeTimeoutError("n", 3.0, kind="run", run_timeout=2.0),
        EncodeError("state['x']", "socket", "no"),
        TaskLost("n", "t", 5),
        RemoteError("app.Boom", "text"),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_known_classes_come_back_as_what_they_were(exc: BaseException) -> None:
    result = crossed(exc)
    assert type(result) is type(exc)
    assert str(result) == str(exc)
    assert result.args == exc.args


def test_attributes_of_drumlines_errors_survive() -> None:
    result = crossed(EncodeError("state['x']", "socket.socket", "no"))
    assert isinstance(result, EncodeError)
    assert (result.path, result.type_name) == ("state['x']", "socket.socket")
    missing = crossed(FileNotFoundError(2, "No such file or directory", "/tmp/x"))
    assert isinstance(missing, FileNotFoundError)
    assert (missing.errno, missing.filename) == (2, "/tmp/x")


def test_classes_that_were_given_are_rebuilt() -> None:
    for known in ([Plain, Custom], {class_name_of(c): c for c in (Plain, Custom)}):
        assert type(crossed(Plain("x", 1), known)) is Plain
        result = crossed(Custom(404, "gone"), known)
        assert type(result) is Custom
        assert str(result) == "404: gone"


def test_other_classes_become_remote_errors() -> None:
    result = crossed(Custom(404, "gone"))
    assert type(result) is RemoteError
    assert str(result).startswith(f"{__name__}.Custom: 404: gone")
    assert result.class_name == f"{__name__}.Custom"
    assert "in raised" in result.traceback_text
    assert isinstance(result, DrumlineError)


@pytest.mark.parametrize("exc", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(1)])
def test_what_would_end_the_client_is_not_rebuilt(exc: BaseException) -> None:
    result = crossed(exc)
    assert type(result) is RemoteError
    assert result.class_name == type(exc).__name__


def crossed_from(exc: BaseException, place: str, known: Any = ()) -> list[str]:
    """The notes that an exception has at the client, if it was raised at `place`."""
    failure = describe(raised(exc), CODEC, place)
    found = rebuild(CODEC.decode(CODEC.encode(failure)), known)
    return list(getattr(found, "__notes__", ()))


def test_traceback_and_notes_come_along_and_node_and_worker_are_last() -> None:
    exc = ValueError("boom")
    exc.__notes__ = ["first note", "second"]  # type: ignore[attr-defined]
    first, second, trace, last = crossed_from(exc, place_of("fetch", "w1"))
    assert (first, second) == ("first note", "second")
    assert trace.startswith("Raised on a worker.\nTraceback (most recent call last):")
    assert "ValueError: boom" in trace
    assert last == "In node 'fetch' on worker 'w1'"
    hint = crossed_from(Plain("x"), place_of("fetch", "w1"))[0]
    assert hint.startswith("Raised on a worker. Name its class in Cluster(errors=[...])")


def test_only_what_a_worker_raised_is_said_to_be_raised_on_a_worker() -> None:
    (trace,) = crossed_from(ValueError("reducer"), "by the coordinator")
    assert trace.startswith("Raised by the coordinator.\nTraceback")
    (trace,) = crossed_from(ValueError("of an older drumline"), "")
    assert trace.startswith("Raised in another process.\nTraceback")
    for place in ("by the coordinator", ""):
        assert crossed_from(UnknownGraph("x"), place) == [], "what drumline says itself needs no frames"
    assert crossed_from(InvalidUpdateError("two writes"), place_of("n", "w"))[-1] == "In node 'n' on worker 'w'"


def test_the_last_line_of_a_traceback_names_node_and_worker() -> None:
    failure = describe(raised(ValueError("boom")), CODEC, place_of("fetch", "w1"))
    exc = rebuild(failure)
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
    if sys.version_info >= (3, 11):
        assert text.splitlines()[-1] == "In node 'fetch' on worker 'w1'"
    else:
        assert isinstance(exc.__cause__, FarTraceback)
        assert "In node 'fetch' on worker 'w1'" in text and text.splitlines()[-1] == "ValueError: boom"


@pytest.mark.parametrize("place", [None, 3, ["x"], "node " + "x" * 10_000])
def test_a_place_from_outside_is_a_short_text(place: Any) -> None:
    exc = rebuild(Failure("ValueError", "m", ["m"], "tb", None, place))
    assert len("".join(getattr(exc, "__notes__", ()))) < 1000


def test_causes_are_part_of_the_traceback() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as exc:
        text = describe(exc, CODEC).traceback
    assert "KeyError: 'inner'" in text
    assert "direct cause" in text


def test_everything_is_bounded() -> None:
    exc = ValueError("x" * 10_000_000)
    exc.__notes__ = ["n" * 100_000] * 1000  # type: ignore[attr-defined]
    failure = describe(raised(exc), CODEC)
    assert len(failure.message) < FAILURE_MESSAGE_CHARS_MAX + 100
    assert "more characters" in failure.message
    assert len(failure.traceback) < FAILURE_TRACEBACK_CHARS_MAX + 100
    assert failure.args is None
    assert len(failure.notes or ()) == FAILURE_NOTES_MAX
    assert len(CODEC.encode(failure)) < 1_000_000
    result = rebuild(failure)
    assert type(result) is ValueError
    assert str(result) == failure.message


def test_arguments_that_cannot_be_encoded_stay_behind() -> None:
    failure = describe(ValueError("at", object()), CODEC)
    assert failure.args is None
    result = rebuild(failure)
    assert type(result) is ValueError
    assert str(result) == failure.message


class Hostile(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no notes")


class Lying(Exception):
    def __str__(self) -> Any:
        return 5


class Endless(Exception):
    def __str__(self) -> str:
        return str(self)


@pytest.mark.parametrize("cls", [Hostile, Lying, Endless])
def test_hostile_exceptions_are_described(cls: type[Exception]) -> None:
    # The objects are kept out of sight of pytest, which would show them if this failed
    failure = describe(raised(cls()), CODEC)
    assert failure.class_name.endswith(cls.__name__)
    assert "cannot be shown" in failure.message
    assert type(crossed(cls())) is RemoteError
    # Even where the class is known, rebuilding it does not raise
    assert issubclass(type(crossed(cls(), [cls])), Exception)


class Refusing(Exception):
    def __new__(cls, *args: Any) -> Any:
        if args != ("local",):
            raise RuntimeError("not from outside")
        return super().__new__(cls, *args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError("no attributes")


def test_a_class_that_refuses_gives_a_remote_error() -> None:
    failure = Failure(class_name_of(Refusing), "outside", ["outside"], "tb")
    assert type(rebuild(failure, [Refusing])) is RemoteError


def test_only_classes_of_the_table_are_called() -> None:
    called: list[Any] = []

    class Trap(Exception):
        def __init__(self, *args: Any) -> None:
            called.append(args)

    for name in ("os.system", "builtins.eval", "eval", "print", "object", class_name_of(Trap)):
        assert type(rebuild(Failure(name, "m", ["echo"], ""))) is RemoteError
    assert called == []
    known = own_classes()
    assert all(issubclass(cls, Exception) for cls in known.values())
    assert {"ValueError", "drumline_graph.errors.InvalidUpdateError"} <= set(known)
    assert not {"SystemExit", "KeyboardInterrupt", "StopIteration"} & set(known)


def test_a_class_of_main_is_the_class_of_the_imported_file() -> None:
    main = type("MyError", (Exception,), {"__module__": "__main__"})
    imported = type("MyError", (Exception,), {"__module__": "app.errors"})
    assert type(rebuild(Failure("app.errors.MyError", "m", ["m"]), [main])) is main
    assert type(rebuild(Failure("__main__.MyError", "m", ["m"]), [imported])) is imported
    other = type("MyError", (Exception,), {"__module__": "other"})
    assert type(rebuild(Failure("app.errors.MyError", "m", ["m"]), [other])) is RemoteError
    two = [imported, other]
    assert type(rebuild(Failure("__main__.MyError", "m", ["m"]), two)) is RemoteError


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*own_classes(), "os.system", "X"]),
    st.text(max_size=20),
    st.none() | st.lists(st.integers() | st.text(max_size=5) | st.none(), max_size=4),
)
def test_rebuild_never_raises(name: str, message: str, args: list[Any] | None) -> None:
    result = rebuild(Failure(name, message, args, "tb"))
    assert isinstance(result, Exception)
    str(result)


junk = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers() | st.lists(st.text()))


@given(st.builds(Failure, junk, junk, junk, junk, junk))
def test_forged_failures_are_rebuilt_too(failure: Failure) -> None:
    assert isinstance(rebuild(failure), Exception)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with 3.11")
def test_exception_groups_come_back_with_their_members() -> None:
    group = ExceptionGroup("several", [ValueError(1), KeyError(2)])  # noqa: F821
    result: Any = crossed(group)
    assert type(result) is ExceptionGroup  # noqa: F821
    assert str(result) == "several (2 sub-exceptions)"
    assert [(type(each), each.args) for each in result.exceptions] == [(ValueError, (1,)), (KeyError, (2,))]


def test_every_error_can_be_built_from_its_args_and_says_what_happened() -> None:
    samples: dict[type, tuple[Any, ...]] = {
        errors.EncodeError: ("state['a']", "socket.socket", "no", "what node 'n' returned"),
        errors.DecodeError: ("junk", 7),
        errors.ProtocolTooNew: (9, 1),
        errors.CellMissing: (7, 5),
        errors.BlobMissing: ("run-1:x", 17_000),
        errors.NoBroker: ("redis://u:secret@h:1/0", "refused"),
        errors.EvictingBroker: ("allkeys-lru",),
        errors.PartitionMismatch: (4, 16),
        errors.NoCoordinator: (10.0, 3),
        errors.NoCluster: ("redis://h:1/0", "drumline", 10.0),
        errors.NotDeleted: ("run-1", 10.0),
        errors.NoWorker: ("gpu", "chat"),
        errors.UnknownGraph: ("chat", ["a", "b"]),
        errors.GraphMismatch: ("chat", "f1", ["f2"]),
        errors.WriterBlocked: (30.0, 12345),
        errors.UnknownRun: ("run-1",),
        errors.InvalidRequest: ("config.tags: not a list",),
        errors.RunExpired: ("run-1", 60),
        errors.RunIdTaken: ("run-1", "chat", "other", ["graph"]),
        errors.LogGap: ("run-1", 5, 9),
        errors.InvalidPosition: ("x9", "not a number"),
        errors.ModeNotRecorded: (["debug"], ["values"]),
        errors.LangChainMissing: ("AIMessage",),
        errors.RunCancelled: ("run-1", "asked"),
        errors.TaskLost: ("node", "task-1", 5),
        errors.PoisonedRun: ("run-1", 3, "boom"),
        errors.DamagedRun: ("run-1", "its log is gone"),
        errors.LogTrimmed: ("run-1", 5, 9, "8.0.abc"),
        errors.UnknownThread: ("talk-7",),
        errors.ThreadBusy: ("talk-7", "run-1"),
        errors.ThreadExists: ("talk-7",),
        errors.ThreadMismatch: ("chat", "f1", ["f2"], "talk-7", "sub:1", "id-1", ["node 'a' is gone"]),
        errors.ThreadMoved: ("talk-7", "id-2", "id-1"),
        errors.ThreadConflict: ("talk-7", "sub", "id-2", "id-1"),
        errors.ThreadDamaged: ("id-1",),
        errors.RemoteError: ("app.Boom", "text", "trace"),
    }
    roots = {errors.WireError, errors.ValueMissing, errors.ClusterError, errors.RunError, errors.ThreadError}
    classes = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, DrumlineError)}
    assert classes - roots - {DrumlineError} == set(samples)
    for cls, args in samples.items():
        exc = cls(*args)
        assert (cls.__doc__ or "").count("\n") > 1 or cls in (
            errors.UnknownRun,
            errors.UnknownThread,
            errors.RunCancelled,
        )
        assert f"{cls.__name__} " in (errors.__doc__ or "")
        text = str(exc)
        assert "secret" not in text + repr(exc)
        shown = args[:2] if cls is not errors.NoBroker else ("h:1/0",)
        for arg in shown:
            for part in arg if isinstance(arg, list) else [arg]:
                assert str(part).removesuffix(".0") in text
        again = crossed(exc)
        assert type(again) is cls
        assert str(again) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@h/0", "redis://:***@h/0"),
        ("rediss://me:p@ss:w@h:1", "rediss://me:***@h:1"),
        ("redis://h/0?password=pw&db=1", "redis://h/0?password=***&db=1"),
        ("redis://me@h", "redis://me@h"),
        ("unix://u:pw@/tmp/redis.sock", "unix://u:***@/tmp/redis.sock"),
    ],
)
def test_passwords_stay_out_of_messages(url: str, shown: str) -> None:
    assert errors.NoBroker(url, "x").url == shown


def test_errors_travel_under_the_module_that_they_are_imported_from() -> None:
    """Processes of several versions know them by it, wherever a version has written them down."""
    for name in errors.__all__:
        value = getattr(errors, name)
        if isinstance(value, type) and value is not DrumlineError:
            assert class_name_of(value) == f"drumline_protocol.errors.{name}"
            assert own_classes()[class_name_of(value)] is value
