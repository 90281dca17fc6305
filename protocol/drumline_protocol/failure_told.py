"""From an exception to data. Exceptions come from user code and may be hostile (a `__str__` that raises, endless
messages, lone surrogates): so what is told is bounded, and nothing raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumline_protocol.failure_base import Failure, class_name_of, head_of, text_of
from drumline_protocol.failure_state import Room, details_of, is_group, state_of
from drumline_protocol.limits import (
    FAILURE_ARGS_BYTES_MAX,
    FAILURE_MESSAGE_CHARS_MAX,
    FAILURE_NOTES_MAX,
    FAILURE_TRACEBACK_CHARS_MAX,
)

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec


def describe(exc: BaseException, codec: Codec, place: str = "") -> Failure:
    """`exc`, raised at `place`, as data that `codec` can encode. Never raises, whatever the exception does."""
    failure = described(exc, codec)
    failure.place = place
    failure.traceback = _traceback(exc)
    return failure


def described(exc: BaseException, codec: Codec) -> Failure:
    """As `describe`, without a traceback: of an exception that is a value, and that nobody raises."""
    return _told(exc, codec, Room(), set())


def _told(exc: BaseException, codec: Codec, room: Room, above: set[int]) -> Failure:
    """All but the traceback. `above` are the exceptions that this one is told for."""
    room.parts -= 1
    failure = Failure(class_name_of(type(exc)), text_of(exc), notes=_notes(exc))
    inside = {*above, id(exc)}

    def tell(other: Any) -> Failure | None:
        if not isinstance(other, BaseException) or id(other) in inside or room.parts <= 0:
            return None
        return _told(other, codec, room, inside)

    try:
        failure.details = details_of(exc, codec, room, tell)
        if failure.details is None:
            failure.args = _arguments(exc, codec, room)
        failure.attributes, failure.left = state_of(exc, codec, room, tell)
        failure.cause = tell(exc.__cause__)
        if failure.cause is None and not exc.__suppress_context__:
            failure.context = tell(exc.__context__)
        members = getattr(exc, "exceptions", None) if is_group(exc) else None
        if members is not None:
            failure.members = [told for told in map(tell, members) if told is not None]
            if len(failure.members) < len(members):
                failure.left = [*(failure.left or ()), f"{len(members) - len(failure.members)} more exceptions"]
    except BaseException:  # properties of the user are among what was looked at
        pass
    return failure


def _arguments(exc: BaseException, codec: Codec, room: Room) -> Any:
    """What builds an equal exception, boxed: what the exception itself says, else its `args`.

    Boxed, so that what could be encoded once need not be encoded again, by methods of the user that may raise then, and
    so that only who builds the exception reads them.
    """
    try:
        made_of: Any = exc.__reduce__()
        parts: list[Any] = list(made_of) if isinstance(made_of, tuple) else []
        fits = len(parts) > 1 and parts[0] is type(exc)
        args = list(parts[1] if fits else exc.args)
        if is_group(exc):
            args = args[:1]  # its members are told as exceptions
        return room.box(args, codec, FAILURE_ARGS_BYTES_MAX)
    except BaseException:
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
        texts = [head_of(str.__str__(note), FAILURE_MESSAGE_CHARS_MAX) for note in notes if isinstance(note, str)]
    except BaseException:
        return None
    return texts or None
