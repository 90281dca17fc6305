"""What an exception holds beside its arguments: attributes, and what pydantic's `ValidationError` consists of.

What cannot be written stays behind by name, so that one response object does not cost the rest. Secrets stay behind
whatever they are in: a failure lies in a log, where people read it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from drumline_graph.loaded import loaded
from drumline_protocol.codec_subclass import slots_of
from drumline_protocol.failure_base import Failure, class_name_of, head_of
from drumline_protocol.limits import (
    FAILURE_ATTRIBUTES_BYTES_MAX,
    FAILURE_ATTRIBUTES_MAX,
    FAILURE_DETAILS_MAX,
    FAILURE_INPUT_CHARS_MAX,
    FAILURE_PARTS_MAX,
    FAILURE_STATE_BYTES_MAX,
)

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec

#: gives the failure of another exception, or None if it cannot be told
Tell = Callable[[Any], "Failure | None"]

#: the name under which pydantic's own exception travels
VALIDATION_ERROR = "pydantic_core._pydantic_core.ValidationError"

#: types whose objects hold nothing else; those of subclasses may have attributes
_ATOMS = frozenset({str, bytes, int, float, bool, type(None)})

#: things that are looked into for secrets in one value
_LOOKED_AT_MAX = 10_000

#: attributes that some builtin exceptions keep outside of their `__dict__`
_HIDDEN = {ImportError: ("name", "path"), NameError: ("name",), AttributeError: ("name",)}


class Room:
    """What a failure may still take, with all that it comes from: exceptions and bytes."""

    __slots__ = ("bytes_left", "parts")

    def __init__(self) -> None:
        self.parts = FAILURE_PARTS_MAX
        self.bytes_left = FAILURE_STATE_BYTES_MAX

    def box(self, value: Any, codec: Codec, bytes_max: int) -> Any:
        """`value`, boxed. None if it is too large, or holds a secret. Raises what its encoding raises."""
        if holds_secret(value):
            return None
        box = codec.box(value)
        if len(box.data) > min(bytes_max, self.bytes_left):
            return None
        self.bytes_left -= len(box.data)
        return box


def is_group(exc: BaseException) -> bool:
    """Whether it is an exception group, Python's own or that of the backport."""
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(exc).__mro__)


# -- attributes ------------------------------------------------------------------------------------


def state_of(
    exc: BaseException, codec: Codec, room: Room, tell: Tell
) -> tuple[dict[str, Any] | None, list[str] | None]:
    """The attributes of an exception, each boxed or a Failure; and what had to stay behind, as `name (class)`."""
    found: dict[str, Any] = {}
    left: list[str] = []
    for name, value in _attributes(exc):
        told: Any = None
        if len(found) < FAILURE_ATTRIBUTES_MAX:
            try:
                is_exception = isinstance(value, BaseException)
                told = tell(value) if is_exception else room.box(value, codec, FAILURE_ATTRIBUTES_BYTES_MAX)
            except BaseException:  # an encoder of the user may raise what it likes
                told = None
        if told is not None:
            found[name] = told
        elif len(left) < FAILURE_ATTRIBUTES_MAX:
            left.append(f"{head_of(name, 100)} ({class_name_of(type(value))})")
    return found or None, left or None


def _attributes(exc: BaseException) -> Iterable[tuple[str, Any]]:
    names: dict[str, None] = {}
    names.update(dict.fromkeys(slots_of(type(exc))))
    for cls in type(exc).__mro__:
        names.update(dict.fromkeys(_HIDDEN.get(cls, ())))
    for name in names:
        value = getattr(exc, name, None)
        if value is not None and is_plain_name(name):
            yield name, value
    for name, value in list(vars(exc).items()):
        if is_plain_name(name) and name not in names:
            yield name, value


def is_plain_name(name: Any) -> bool:
    """Whether an attribute of that name is the user's: not one that Python gives a meaning."""
    return type(name) is str and not name.startswith("__") and name not in ("args", "with_traceback", "add_note")


# -- secrets ---------------------------------------------------------------------------------------


def holds_secret(value: Any) -> bool:
    """Whether a secret of pydantic is in a value, at any depth; True also for a value that is too large to tell."""
    secrets = _secret_classes()
    if not secrets:
        return False
    todo, seen = [value], {id(value)}
    while todo:
        item = todo.pop()
        if isinstance(item, secrets):
            return True
        for child in _children(item):
            if id(child) not in seen and type(child) not in _ATOMS:
                seen.add(id(child))
                todo.append(child)
        if len(seen) > _LOOKED_AT_MAX:
            return True
    return False


def _secret_classes() -> tuple[type, ...]:
    pydantic = loaded("pydantic")
    found = [getattr(pydantic, name, None) for name in ("SecretStr", "SecretBytes", "Secret")]
    return tuple(cls for cls in found if isinstance(cls, type))


def _children(item: Any) -> Iterable[Any]:
    held: list[Any] = []
    if isinstance(item, dict):
        held = [*item.keys(), *item.values()]
    elif isinstance(item, (list, tuple, set, frozenset, deque)):
        held = list(item)
    if isinstance(item, type) or type(item).__module__ == "builtins":
        return held
    inside = [item.__dict__] if isinstance(getattr(item, "__dict__", None), dict) else []
    return [*held, *inside, *(getattr(item, name, None) for name in slots_of(type(item)))]


# -- pydantic --------------------------------------------------------------------------------------


def details_of(exc: BaseException, codec: Codec, room: Room, tell: Tell) -> Any:
    """What a `ValidationError` of pydantic consists of; None for any other exception.

    `[title, input type, whether inputs are hidden, lines]`, a line being `[type, message of a custom type or None,
    location, input, context]`. An input that cannot cross is its text; exceptions in a context are failures.
    """
    if class_name_of(type(exc)) != VALIDATION_ERROR:
        return None
    raised: Any = exc
    made_of = raised.__reduce__()[1]
    hidden = made_of[3] if len(made_of) > 3 else False
    lines = []
    for line in raised.errors(include_url=False)[:FAILURE_DETAILS_MAX]:
        input_ = None if hidden else _crossing(line["input"], codec, room)
        context = {key: tell(value) or _crossing(value, codec, room) for key, value in line.get("ctx", {}).items()}
        message = None if line["type"] in _types_of_errors() else line["msg"]
        lines.append([line["type"], message, list(line["loc"]), input_, context])
    return [raised.title, made_of[2] if len(made_of) > 2 else "python", hidden, lines]


def _crossing(value: Any, codec: Codec, room: Room) -> Any:
    """A value, boxed; the text of one that cannot cross."""
    try:
        box = room.box(value, codec, FAILURE_ATTRIBUTES_BYTES_MAX)
    except BaseException:
        box = None
    return codec.box(_text(value)) if box is None else box


def _text(value: Any) -> str:
    if holds_secret(value):
        return "**********"
    try:
        return head_of(repr(value), FAILURE_INPUT_CHARS_MAX)
    except BaseException:
        return f"<{class_name_of(type(value))}>"


def _types_of_errors() -> frozenset[str]:
    """The types of errors that pydantic itself makes, and words by itself."""
    from typing import get_args

    from pydantic_core.core_schema import ErrorType

    return frozenset(get_args(ErrorType))


def validation_error(details: Any, decode: Callable[[Any], Any]) -> BaseException:
    """The `ValidationError` that `details` describe, with values by `decode`. Raises whatever is wrong with them."""
    from pydantic_core import PydanticCustomError, ValidationError

    title, input_type, hidden, lines = details
    made: list[Any] = []
    for kind, message, location, input_, context in lines[:FAILURE_DETAILS_MAX]:
        values = {key: decode(value) for key, value in context.items()}
        made.append(
            {
                "type": kind if message is None else PydanticCustomError(kind, message, values or None),
                "loc": tuple(location),
                "input": decode(input_),
                **({"ctx": values} if values and message is None else {}),
            }
        )
    return ValidationError.from_exception_data(title, made, input_type, bool(hidden))
