"""Channels with a reducer: writes are merged into the value instead of replacing it."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Sequence
from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.channels.reducers import PrivateReducer
from drumline_graph.control import Overwrite
from drumline_graph.errors import ErrorCode, InvalidUpdateError, coded

_CONCRETE: dict[Any, Any] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}
_OVERWRITE = "__overwrite__"


def empty_factory(typ: Any) -> Callable[[], Any] | None:
    """What makes the empty value of a type: `list[str]` gives `list`; None if there is no such value.

    Abstract collections have their plain counterpart. Unions, and classes that need arguments, have none.
    """
    while (origin := getattr(typ, "__origin__", None)) is not None:
        typ = typ.__args__[0] if typ_is_wrapper(origin) else origin
    factory = _CONCRETE.get(typ, typ) if isinstance(typ, collections.abc.Hashable) else typ
    if not callable(factory):
        return None
    try:
        factory()
    except Exception:
        return None
    return factory  # type: ignore[no-any-return]


def typ_is_wrapper(origin: Any) -> bool:
    """Whether a type's origin is Required, NotRequired or ReadOnly (of typing or typing_extensions)."""
    return getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly")


def overwrite_value(value: Any) -> Any:
    """The replacement that `value` asks for, or MISSING if it is an ordinary write.

    Accepted: `Overwrite(v)`, `{"__overwrite__": v}`, `{"value": v, "type": "__overwrite__"}`.
    """
    if isinstance(value, Overwrite):
        return value.value
    if isinstance(value, dict):
        if len(value) == 1:
            return value.get(_OVERWRITE, MISSING)
        if "value" in value:
            kind = value.get("type")  # of any type, and not all give a truth when compared
            if isinstance(kind, str) and kind == _OVERWRITE:
                return value["value"]
    return MISSING


def _second_overwrite() -> InvalidUpdateError:
    return InvalidUpdateError(
        coded(
            "Can receive only one Overwrite value per super-step. Two tasks of this one each want to replace the "
            "value; let one of them do it.",
            ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
        )
    )


def reducer_name(reducer: Any) -> str:
    """Stable name of a reducer for fingerprints: module and qualified name, without bytecode or address."""
    function = getattr(reducer, "func", reducer)  # functools.partial
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{name}"


def same_reducer(one: Any, other: Any) -> bool:
    """Whether two declarations of one key agree. Two lambdas cannot be told apart: they count as equal."""
    return bool(one == other) or "<lambda>" in (
        getattr(one, "__name__", ""),
        getattr(other, "__name__", ""),
    )


class BinaryOperatorAggregate(Channel):
    """State key with a reducer `f(current, write)`: `Annotated[T, f]`.

    Starts as the empty value of T where there is one (0, "", [], {}, set()), else empty: then the first write is stored
    as it is. Writes are folded in task order. A reducer that may change its arguments in place is given private copies
    (see `reducers`). An `Overwrite` replaces the value; other writes of the same superstep are then without effect, and
    a second Overwrite is an error. Unlike in LangGraph an Overwrite that is the first write to an empty key is
    unwrapped too.
    """

    kind = "binop"

    def __init__(self, typ: Any, operator: Callable[[Any, Any], Any]) -> None:
        self.typ = typ
        self.operator = operator
        self._private = PrivateReducer(operator)
        self._empty = empty_factory(typ)
        #: whether a merge changes neither value, and its result holds the objects that they hold
        self.keeps_items = all(getattr(operator, said, False) is True for said in ("appends_by_identity", "is_pure"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BinaryOperatorAggregate) and same_reducer(self.operator, other.operator)

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"BinaryOperatorAggregate({self.typ!r}, {reducer_name(self.operator)})"

    def initial(self) -> Any:
        return MISSING if self._empty is None else self._empty()

    def update(self, cell: Any, values: list[Any]) -> Any:
        reduce, overwritten = self._private.for_merge(cell, values), False
        for value in values:
            if isinstance(value, (Overwrite, dict)):
                replacement = overwrite_value(value)
                if replacement is not MISSING:
                    if overwritten:
                        raise _second_overwrite()
                    cell, overwritten = replacement, True
                    continue
            if not overwritten:
                cell = value if cell is MISSING else reduce(cell, value)
        return cell

    def signature(self) -> tuple[Any, ...]:
        return (self.kind, reducer_name(self.operator))


class DeltaChannel(Channel):
    """State key with a batch reducer `f(state, [writes])`, called once per superstep.

    Declared as `Annotated[T, DeltaChannel(f)]`. `snapshot_frequency` (in updates) is for checkpoint stores; within a
    run it changes nothing.
    """

    kind = "delta"

    def __init__(
        self,
        reducer: Callable[[Any, Sequence[Any]], Any],
        typ: Any = None,
        *,
        snapshot_frequency: int = 100,
    ) -> None:
        self.reducer = reducer
        self._private = PrivateReducer(reducer)
        self.typ = typ
        self.snapshot_frequency = snapshot_frequency
        self._empty = None if typ is None else empty_factory(typ)
        #: whether every write is messages: LangGraph's own reducer for histories turns all that it is given into them
        self.takes_messages = getattr(reducer, "__name__", "") == "_messages_delta_reducer"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DeltaChannel)
            and same_reducer(self.reducer, other.reducer)
            and self.snapshot_frequency == other.snapshot_frequency
        )

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"DeltaChannel({reducer_name(self.reducer)}, {self.typ!r})"

    def typed(self, typ: Any) -> DeltaChannel:
        """This channel for the type it annotates."""
        return DeltaChannel(self.reducer, typ, snapshot_frequency=self.snapshot_frequency)

    def initial(self) -> Any:
        return MISSING if self._empty is None else self._empty()

    def update(self, cell: Any, values: list[Any]) -> Any:
        replacements = [found for value in values if (found := overwrite_value(value)) is not MISSING]
        if len(replacements) > 1:
            raise _second_overwrite()
        if replacements:
            return replacements[0]
        if cell is MISSING:
            cell = [] if self._empty is None else self._empty()
        # LangGraph's reducer for histories is known to change nothing, whatever its code looks like.
        return self.reducer(*((cell, values) if self.takes_messages else self._private.for_batch(cell, values)))

    def signature(self) -> tuple[Any, ...]:
        return (self.kind, reducer_name(self.reducer))
