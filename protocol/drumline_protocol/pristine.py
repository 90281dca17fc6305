"""Values that are handed out again and again: kept once, untouched, and cloned for each task. Pure.

Decoding a chat of some hundred LangChain messages takes milliseconds; cloning it takes a tenth of that. A clone shares
what nobody can change and copies the rest, so no task sees what another one did to its value. Only values of a closed
set of types are cloned: what else there is, is decoded anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache, lru_cache, partial
from typing import Any
from uuid import UUID

from drumline_graph.delta import APPEND, PUT, REPLACE, Change, patch
from drumline_graph.loaded import loaded
from drumline_graph.message_types import Message, MessageChunk
from drumline_protocol.codec_langchain import MESSAGES

#: makes a clone of one value
Make = Callable[[], Any]

#: objects that nobody can change
_FROZEN = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, Decimal, UUID, range),
        *(date, time, datetime, timedelta, timezone),
    }
)
#: containers inside one another. Deeper values are decoded: a clone takes a Python frame for each level.
_DEPTH_MAX = 32
#: about what the objects of a part take, in the value, in what clones it and in one clone: a message, anything else
_MESSAGE_BYTES = 3_000
_PART_BYTES = 600
_SLOTS = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
_new = object.__new__
#: A LangChain message: its class, its fields, the names of those that were set, how to clone fields; how to clone what
#: else it holds, if that is more than an empty dict of extra attributes and no private ones.
_Parts = tuple[type, dict[str, Any], set[str], tuple[tuple[str, Make], ...], "tuple[Make, Make] | None"]


class NotPlain(Exception):
    """A value, or a part of it, is of a type that is not cloned."""


class Pristine:
    """A value that nobody changes, and what it takes to clone it. Safe for threads.

    Made from a value that belongs to nobody else. NotPlain for one that holds objects of other types than those that
    are cloned.
    """

    __slots__ = ("_ahead", "_makes", "_messages", "_whole", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        #: the clone that the next reader gets, if one was made ahead. A list, since its `pop` is safe for threads.
        self._ahead: list[Any] = []
        #: of a list or dict: how to clone the items that can be changed, by index or key
        self._makes: dict[Any, Make] = {}
        #: of a list: the LangChain messages in it, by index
        self._messages: dict[int, _Parts] = {}
        #: of anything else: how to clone it; None: nobody can change it
        self._whole: Make | None = None
        if type(value) is list:
            self._take_in(dict(enumerate(value)))
        elif type(value) is dict:
            _check_keys(value)
            self._makes = _makes_of(value.items(), 0)
        else:
            self._whole = _make_of(value, 0)

    def clone(self) -> Any:
        """The value, for somebody who may do with it what they like."""
        try:
            return self._ahead.pop()
        except IndexError:
            return self._cloned()

    @property
    def parts(self) -> int:
        """How many of its items a clone must have for its own."""
        return len(self._makes) + len(self._messages)

    def weight(self, size: int) -> int:
        """About how many bytes of memory it takes with one clone, if `size` bytes encode it."""
        many_parts = 2 * size + _MESSAGE_BYTES * len(self._messages) + _PART_BYTES * len(self._makes)
        return max(4 * size, many_parts)

    def clone_ahead(self) -> None:
        """Make the clone that the next reader gets, of this value or of the one `after` it, unless there is one."""
        if not self._ahead:
            self._ahead.append(self._cloned())

    def _cloned(self) -> Any:
        if type(self.value) in (list, dict):
            cloned = _clone(self.value, self._makes)
            if self._messages:
                for index, made in zip(self._messages, _clones(self._messages.values()), strict=True):
                    cloned[index] = made
            return cloned
        return self.value if self._whole is None else self._whole()

    def after(self, changes: Sequence[Change]) -> Pristine:
        """The value after `changes`, which belong to nobody else. What they leave alone is shared, not looked at again.

        NotPlain as above; TypeError and the like for a change that does not fit.
        """
        found = self
        for change in changes:
            found = found._after(change)
        return found

    def _after(self, change: Change) -> Pristine:
        kind = change[0]
        value = patch(self.value, change)
        if kind in (APPEND, REPLACE) and type(self.value) is list:
            replaced = change[1] if kind == REPLACE else {}
            tail = change[-1]
            new = {**replaced, **dict(enumerate(tail, len(self.value)))}
        elif kind == PUT and type(self.value) is dict:
            _check_keys(change[1])
            new = change[1]
        else:
            return Pristine(value)
        found: Pristine = _new(Pristine)
        found.value, found._whole, found._ahead = value, None, []
        found._makes, found._messages = self._makes.copy(), self._messages.copy()
        if kind != APPEND:
            for key in new:
                found._makes.pop(key, None)
                found._messages.pop(key, None)
        if kind == PUT:
            found._makes.update(_makes_of(new.items(), 0))
        else:
            found._take_in(new)
        try:
            clone = self._ahead.pop()
        except IndexError:
            return found
        found._put_clones(new, clone)
        return found

    def _put_clones(self, keys: Iterable[Any], clone: Any) -> None:
        """Make a clone of the value before one of this value: what is new at these keys is cloned into it."""
        for key in keys:
            item = self.value[key]
            if key in self._messages:
                [item] = _clones([self._messages[key]])
            elif key in self._makes:
                item = self._makes[key]()
            if type(clone) is list and key == len(clone):
                clone.append(item)
            else:
                clone[key] = item
        self._ahead.append(clone)

    def _take_in(self, items: dict[int, Any]) -> None:
        """These items of the list are new."""
        known, others = _langchain_messages(), {}
        for index, item in items.items():
            if type(item) in known:
                self._messages[index] = _parts_of(item, 1)
            else:
                others[index] = item
        self._makes.update(_makes_of(others.items(), 0))


def _clone(value: Any, makes: dict[Any, Make]) -> Any:
    cloned = value.copy()
    for key, make in makes.items():
        cloned[key] = make()
    return cloned


def _clones(messages: Iterable[_Parts]) -> list[Any]:
    """New messages, as pydantic keeps them: no validator runs, and what was set stays known as set.

    A long talk is cloned for each of its tasks, and finds nothing of itself in the processor's caches. So a message
    takes one tuple here and no closure: there is less to fetch.
    """
    set_fields, set_chosen, set_extra, set_private = _setters()
    clones = []
    for cls, fields, chosen, makes, beyond in messages:
        made: Any = _new(cls)
        own = fields.copy()
        for name, make in makes:
            own[name] = make()
        set_fields(made, own)
        set_chosen(made, chosen.copy())
        set_extra(made, {} if beyond is None else beyond[0]())
        set_private(made, None if beyond is None else beyond[1]())
        clones.append(made)
    return clones


def _parts_of(message: Any, depth: int) -> _Parts:
    """What it takes to clone a LangChain message. NotPlain if it is not cloned."""
    fields, extra, private = message.__dict__, message.__pydantic_extra__, message.__pydantic_private__
    makes = tuple(_makes_of(fields.items(), depth).items())
    if all(make is dict or make is list for _, make in makes):
        makes = _same(makes)
    beyond = None
    if extra != {} or private is not None:
        beyond = _make_of(extra, depth + 1) or (lambda: extra), _make_of(private, depth + 1) or (lambda: private)
    return type(message), fields, message.__pydantic_fields_set__, makes, beyond


@lru_cache(maxsize=256)
def _same(makes: tuple[tuple[str, Make], ...]) -> tuple[tuple[str, Make], ...]:
    """One tuple for all messages whose parts are empty: most of a talk."""
    return makes


def _check_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if type(key) is not str and _make_of(key, _DEPTH_MAX - 2) is not None:
            raise NotPlain(type(key).__name__)


def _makes_of(items: Any, depth: int) -> dict[Any, Make]:
    return {key: make for key, item in items if (make := _make_of(item, depth + 1)) is not None}


def _make_of(value: Any, depth: int) -> Make | None:
    """How to clone a value; None if nobody can change it. NotPlain if it is not cloned."""
    kind = type(value)
    if kind in _FROZEN:
        return None
    if depth > _DEPTH_MAX:
        raise NotPlain("too deep")
    if kind is list or kind is dict:
        if not value:
            return kind
        if kind is dict:
            _check_keys(value)
        makes = _makes_of(value.items() if kind is dict else enumerate(value), depth)
        return partial(_clone, value, makes) if makes else value.copy
    if kind is tuple:
        makes = _makes_of(enumerate(value), depth)
        return (lambda: tuple(_clone(list(value), makes))) if makes else None
    if kind in (set, frozenset):
        if any(_make_of(item, depth + 1) is not None for item in value):
            raise NotPlain(kind.__name__)
        return value.copy if kind is set else None
    if kind is MessageChunk or kind is Message:
        return _make_of_message(value, depth)
    if kind in _langchain_messages():
        parts = (_parts_of(value, depth),)
        return lambda: _clones(parts)[0]
    raise NotPlain(kind.__name__)


def _make_of_message(message: Message | MessageChunk, depth: int) -> Make:
    """Drumline's own messages: their fields."""
    fields = {name: getattr(message, name) for name in type(message).__slots__}
    makes = _makes_of(fields.items(), depth)
    return lambda: type(message)(**_clone(fields, makes))


@cache
def _setters() -> list[Any]:
    """The setters of the slots that pydantic keeps its objects in: `__setattr__` of a model would validate."""
    from pydantic import BaseModel

    return [vars(BaseModel)[slot].__set__ for slot in _SLOTS]


_messages: tuple[Any, frozenset[type]] = (None, frozenset())


def _langchain_messages() -> frozenset[type]:
    """LangChain's message classes; none where nobody has imported them."""
    global _messages
    module = loaded("langchain_core.messages")
    if module is not _messages[0]:
        found = (getattr(module, name, None) for name in MESSAGES)
        _messages = module, frozenset(cls for cls in found if cls is not None)
    return _messages[1]
