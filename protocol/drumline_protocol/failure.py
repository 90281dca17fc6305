"""Exceptions as data, and back. What crosses is class name, message, arguments, traceback text and
notes.

Exceptions come from user code and may be hostile (a `__str__` that raises, endless messages, lone
surrogates), and failures come from outside: so both directions are bounded, and neither raises. An
exception is rebuilt only if its class is in a closed table: Python's builtin exceptions,
drumline's, and the classes that the caller gave. Everything else becomes a `RemoteError`.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from drumline_graph.errors import DrumlineError
from drumline_protocol.errors import RemoteError, WireError
from drumline_protocol.limits import (
    FAILURE_ARGS_BYTES_MAX,
    FAILURE_MESSAGE_CHARS_MAX,
    FAILURE_NOTES_MAX,
    FAILURE_TRACEBACK_CHARS_MAX,
)

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec

ErrorClass = type[BaseException]
Known = Mapping[str, ErrorClass] | Iterable[ErrorClass]


#: how the place of a node's failure begins
NODE = "node "
_PLACE_CHARS_MAX = 500


def place_of(node: str, worker: str) -> str:
    """The `place` of a failure that a node raised."""
    return f"{NODE}{node!r} on worker {worker!r}"


class FarTraceback(Exception):
    """Not an error: what Python 3.10, which prints no notes, shows above an exception that another process raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}" if self.args else ""


@dataclass(slots=True)
class Failure:
    """An exception as data.

    `class_name` is `ValueError` for a builtin, else `module.QualName`. `args` builds the exception
    again: a list, or `Boxed` as `describe` makes it; None if the arguments could not be encoded.
    `traceback` is the text that Python prints, `notes` are those of PEP 678. `place` says who raised it, as in
    `node 'x' on worker 'w1'`; "" if nobody told.
    """

    class_name: str
    message: str
    args: Any = None
    traceback: str = ""
    notes: list[str] | None = None
    place: str = ""

    def __str__(self) -> str:
        return f"{self.class_name}: {self.message}" if self.message else self.class_name


def class_name_of(cls: type) -> str:
    """The name under which a class of exceptions travels."""
    try:
        return f"{cls.__qualname__}" if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    except BaseException:  # its metaclass raises
        return "<a class that does not tell its name>"


# -- to data ---------------------------------------------------------------------------------------


def describe(exc: BaseException, codec: Codec, place: str = "") -> Failure:
    """`exc`, raised at `place`, as data that `codec` can encode. Never raises, whatever the exception does."""
    return Failure(
        class_name=class_name_of(type(exc)),
        message=text_of(exc),
        args=_arguments(exc, codec),
        traceback=_traceback(exc),
        notes=_notes(exc),
        place=place,
    )


def text_of(exc: BaseException, chars_max: int = FAILURE_MESSAGE_CHARS_MAX) -> str:
    """What `exc` says of itself, cut to a length. Never raises."""
    try:
        text = str.__str__(str(exc))
    except BaseException as inner:  # user code: even SystemExit from a __str__ must not get out
        text = f"<its message cannot be shown: {class_name_of(type(inner))} in __str__>"
    return _head(text, chars_max)


def reason_of(exc: BaseException) -> str:
    """What `exc` says as the reason of an error of ours: its class if it says nothing. Never raises."""
    return text_of(exc, 1000) or class_name_of(type(exc))


def _head(text: str, chars_max: int) -> str:
    cut = len(text) - chars_max
    return text if cut <= 0 else f"{text[:chars_max]}... ({cut} more characters)"


def _arguments(exc: BaseException, codec: Codec) -> Any:
    """What builds an equal exception, boxed: what the exception itself says, else its `args`.

    Boxed, so that what could be encoded once need not be encoded again, by methods of the user that may raise then, and
    so that only who builds the exception reads them.
    """
    try:
        made_of: Any = exc.__reduce__()
        parts: list[Any] = list(made_of) if isinstance(made_of, tuple) else []
        fits = len(parts) > 1 and parts[0] is type(exc)
        args = list(parts[1] if fits else exc.args)
        box = codec.box(args)
        if len(box.data) <= FAILURE_ARGS_BYTES_MAX:
            return box
    except BaseException:
        pass
    return None


def _traceback(exc: BaseException) -> str:
    import traceback

    try:
        text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    except BaseException:
        return ""
    cut = len(text) - FAILURE_TRACEBACK_CHARS_MAX
    if cut <= 0:
        return text
    head, tail = FAILURE_TRACEBACK_CHARS_MAX // 4, FAILURE_TRACEBACK_CHARS_MAX * 3 // 4
    return f"{text[:head]}\n... ({cut} characters left out)\n{text[-tail:]}"


def _notes(exc: BaseException) -> list[str] | None:
    try:
        notes = list(getattr(exc, "__notes__", ()))[:FAILURE_NOTES_MAX]
        texts = [_head(str.__str__(note), FAILURE_MESSAGE_CHARS_MAX) for note in notes if isinstance(note, str)]
    except BaseException:
        return None
    return texts or None


# -- back to an exception --------------------------------------------------------------------------

#: Builtins that are never rebuilt: raised inside a generator or a thread they would end it instead
#: of telling anything.
_CONTROL = (StopIteration, StopAsyncIteration)


@cache
def own_classes() -> dict[str, ErrorClass]:
    """The classes that are known without being given: Python's and drumline's."""
    from drumline_graph import errors as graph_errors
    from drumline_protocol import errors as wire_errors

    known: dict[str, ErrorClass] = {}
    for value in vars(builtins).values():
        if isinstance(value, type) and issubclass(value, Exception) and value not in _CONTROL:
            known[value.__name__] = value
    for module in (graph_errors, wire_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, DrumlineError):
                known[class_name_of(value)] = value
    return known


def rebuild(failure: Failure, known: Known = ()) -> BaseException:
    """The exception that `failure` describes, or a `RemoteError`. Never raises.

    `known` holds the classes that may be built besides Python's and drumline's own, by class name
    or just listed. Attached as notes (`__notes__`) are the traceback of the process that raised it, and last the place.
    Python prints notes from 3.11 on; on 3.10, which does not, they are the exception's cause, which it prints.
    """
    failure = _sane(failure)
    cls = _find(failure.class_name, known)
    exc = None if cls is None else _build(cls, failure)
    if exc is None:
        exc = RemoteError(failure.class_name, failure.message, failure.traceback)
    notes = failure.notes or []
    on_a_worker = failure.place.startswith(NODE)
    # what drumline itself says of a run, beside any node, needs no frames of drumline
    if failure.traceback and (on_a_worker or not isinstance(exc, DrumlineError) or type(exc) is RemoteError):
        hint = ""
        if type(exc) is RemoteError and failure.class_name != class_name_of(RemoteError):
            hint = " Name its class in Cluster(errors=[...]) to catch it as what it was."
        where = "Raised on a worker." if on_a_worker else f"Raised {failure.place or 'in another process'}."
        notes.append(f"{where}{hint}\n{failure.traceback.rstrip()}")
    if on_a_worker:
        notes.append(f"In {failure.place}")
    _attach(exc, notes)
    return exc


def _sane(failure: Failure) -> Failure:
    """A copy whose fields have the types that they should have: these came from outside."""
    from drumline_protocol.codec import unbox

    def text(value: Any) -> str:
        return value if type(value) is str else ""

    args: Any = None
    with suppress(WireError):
        args = unbox(failure.args)
    notes = failure.notes if type(failure.notes) is list else []
    return Failure(
        class_name=text(failure.class_name) or "<unknown>",
        message=text(failure.message),
        args=args if type(args) is list else None,
        traceback=text(failure.traceback),
        notes=[note for note in notes if type(note) is str],
        place=text(failure.place)[:_PLACE_CHARS_MAX],
    )


def _find(name: str, known: Known) -> ErrorClass | None:
    found = own_classes().get(name)
    if found is not None:
        return found
    given: Mapping[str, ErrorClass]
    if isinstance(known, Mapping):
        given = cast("Mapping[str, ErrorClass]", known)
    else:
        given = {class_name_of(cls): cls for cls in known}
    if name in given:
        return given[name]
    # One file run as a script here and imported there: `__main__.MyError` and `app.MyError` are the
    # same class.
    alike = [cls for cls in given.values() if _same_but_for_main(name, cls)]
    return alike[0] if len(alike) == 1 else None


def _same_but_for_main(name: str, cls: type) -> bool:
    if cls.__module__ == "__main__":
        return name.endswith(f".{cls.__qualname__}")
    return name == f"__main__.{cls.__qualname__}"


def _build(cls: ErrorClass, failure: Failure) -> BaseException | None:
    """A `cls` that says what `failure` says: from its arguments, else without `__init__`."""
    if failure.args is not None:
        built = _called(cls, failure.args)
        if built is not None and (text_of(built) == failure.message or isinstance(built, OSError)):
            return built
    for args in (failure.args, [failure.message]):
        if args is not None:
            bare = _bare(cls, args)
            if bare is not None and text_of(bare) == failure.message:
                return bare
    return _bare(cls, [failure.message])


def _called(cls: ErrorClass, args: list[Any]) -> BaseException | None:
    try:
        built = cls(*args)
    except BaseException:
        return None
    return built if isinstance(built, cls) else None


def _bare(cls: ErrorClass, args: list[Any]) -> BaseException | None:
    try:
        exc = cls.__new__(cls, *args)
        exc.args = tuple(args)
        str(exc)
    except BaseException:
        return None
    return exc if isinstance(exc, cls) else None


def _attach(exc: BaseException, notes: list[str]) -> None:
    with suppress(BaseException):  # a class that refuses attributes goes without notes
        if notes:
            exc.__notes__ = [*getattr(exc, "__notes__", ()), *notes]
            if sys.version_info < (3, 11) and exc.__cause__ is None:
                exc.__cause__ = FarTraceback("\n".join(notes))
