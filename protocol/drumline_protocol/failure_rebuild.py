"""From data back to an exception: of its own class if that is known, else a `RemoteError`. Failures come from outside:
nothing here raises, and what is built is bounded.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from drumline_graph.errors import DrumlineError
from drumline_protocol.errors import RemoteError, WireError
from drumline_protocol.failure_base import NODE, PLACE_CHARS_MAX, Failure, FarTraceback, class_name_of, text_of
from drumline_protocol.failure_classes import ErrorClass, Known, find_class, own_classes
from drumline_protocol.failure_state import VALIDATION_ERROR, is_group, is_plain_name, validation_error
from drumline_protocol.limits import FAILURE_PARTS_MAX

_set = object.__setattr__


def rebuild(failure: Failure, known: Known = ()) -> BaseException:
    """The exception that `failure` describes, or a `RemoteError`. Never raises.

    `known` holds the classes that may be built besides Python's and drumline's own, by class name or just listed.
    Attributes, causes and members of a group come back too, as far as they crossed; those that did not are named in a
    note. Attached as notes (`__notes__`) are the traceback of the process that raised it, and last the place. Python
    prints notes from 3.11 on; on 3.10, which does not, they are the exception's cause (or the cause of the first of its
    causes), which it prints.
    """
    return _Builder(known).build(failure)


class _Builder:
    """Rebuilds one failure with all that belongs to it."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._left = FAILURE_PARTS_MAX

    def build(self, failure: Failure) -> BaseException:
        self._left -= 1
        failure = _sane(failure)
        attributes = self._attributes(failure)
        cls = find_class(failure.class_name, self._known)
        exc = None if cls is None else self._of_class(cls, failure, attributes)
        if exc is None:
            exc = RemoteError(failure.class_name, failure.message, failure.traceback)
            exc.attributes = attributes
        self._link(exc, failure)
        _attach(exc, _notes(exc, failure))
        return exc

    def _of_class(self, cls: ErrorClass, failure: Failure, attributes: dict[str, Any]) -> BaseException | None:
        if failure.class_name == VALIDATION_ERROR:
            try:
                error = validation_error(failure.details, self._decode)
            except BaseException:
                return None
            _put(error, attributes)
            return error
        if failure.members:
            return self._group(cls, failure, attributes)
        return _build(cls, failure, attributes)

    def _group(self, cls: Any, failure: Failure, attributes: dict[str, Any]) -> BaseException | None:
        members = [exc for exc in map(self._part, failure.members or ()) if exc is not None]
        text = failure.args[0] if failure.args and type(failure.args[0]) is str else failure.message
        try:
            exc = cls.__new__(cls, text, members)  # a constructor of the user may take other arguments
            if not isinstance(exc, BaseException) or not is_group(exc):
                return None
        except BaseException:
            return None
        _put(exc, attributes)
        return exc

    def _part(self, failure: Any) -> BaseException | None:
        if type(failure) is not Failure or self._left <= 0:
            return None
        return self.build(failure)

    def _decode(self, value: Any) -> Any:
        """A value of an exception: what was boxed, or an exception of its own."""
        from drumline_protocol.codec import unbox

        return self._part(value) if type(value) is Failure else unbox(value)

    def _attributes(self, failure: Failure) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in (failure.attributes or {}).items():
            with suppress(WireError):
                found[name] = self._decode(value)
        return found

    def _link(self, exc: BaseException, failure: Failure) -> None:
        cause, context = self._part(failure.cause), self._part(failure.context)
        with suppress(BaseException):
            if cause is not None:
                exc.__cause__ = cause
            if context is not None:
                exc.__context__ = context


def _sane(failure: Failure) -> Failure:
    """A copy whose fields have the types that they should have: these came from outside."""
    from drumline_protocol.codec import unbox

    def text(value: Any) -> str:
        return value if type(value) is str else ""

    def texts(values: Any) -> list[str]:
        return [value for value in values if type(value) is str] if type(values) is list else []

    args: Any = None
    with suppress(WireError):
        args = unbox(failure.args)
    attributes = failure.attributes if type(failure.attributes) is dict else {}
    return Failure(
        class_name=text(failure.class_name) or "<unknown>",
        message=text(failure.message),
        args=args if type(args) is list else None,
        traceback=text(failure.traceback),
        notes=texts(failure.notes),
        attributes={name: value for name, value in attributes.items() if is_plain_name(name)},
        place=text(failure.place)[:PLACE_CHARS_MAX],
        left=texts(failure.left),
        cause=failure.cause,
        context=failure.context,
        members=failure.members if type(failure.members) is list else None,
        details=failure.details,
    )


def _build(cls: ErrorClass, failure: Failure, attributes: dict[str, Any]) -> BaseException | None:
    """A `cls` that says what `failure` says: from its arguments, else without `__init__`."""
    if failure.args is not None:
        built = _called(cls, failure.args)
        if built is not None:
            _put(built, attributes)
            if text_of(built) == failure.message or isinstance(built, OSError):
                return built
    for args in (failure.args, [failure.message]):
        if args is not None:
            bare = _bare(cls, args, attributes)
            if bare is not None and text_of(bare) == failure.message:
                return bare
    return _bare(cls, [failure.message], attributes)


def _called(cls: ErrorClass, args: list[Any]) -> BaseException | None:
    try:
        built = cls(*args)
    except BaseException:
        return None
    return built if isinstance(built, cls) else None


def _bare(cls: ErrorClass, args: list[Any], attributes: dict[str, Any]) -> BaseException | None:
    try:
        exc = cls.__new__(cls, *args)
        if isinstance(exc, OSError):
            OSError.__init__(exc, *args)  # reads number, text and file names out of them
        else:
            exc.args = tuple(args)
        _put(exc, attributes)
        str(exc)
    except BaseException:
        return None
    return exc if isinstance(exc, cls) else None


def _put(exc: BaseException, attributes: dict[str, Any]) -> None:
    """Set attributes, past what the class does when one is set."""
    for name, value in attributes.items():
        with suppress(BaseException):  # a property that cannot be set
            _set(exc, name, value)


def _notes(exc: BaseException, failure: Failure) -> list[str]:
    notes = list(failure.notes or ())
    if failure.left:
        names = ", ".join(failure.left)
        notes.append(f"Left behind where it was raised, since drumline cannot or must not write it: {names}.")
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
    return notes


def _attach(exc: BaseException, notes: list[str]) -> None:
    with suppress(BaseException):  # a class that refuses attributes goes without notes
        if notes:
            # past a `__getattr__` of the user, which may want what was left behind
            exc.__notes__ = [*vars(exc).get("__notes__", ()), *notes]
            if sys.version_info < (3, 11):
                first = exc
                while first.__cause__ is not None:
                    first = first.__cause__
                first.__cause__ = FarTraceback("\n".join(notes))


__all__ = ["Known", "own_classes", "rebuild"]
