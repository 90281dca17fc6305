"""What a reducer may change of the values that it is given, and how to call it so that nobody else sees the change.

A merge gives a new value, or raises and changes nothing. Most reducers keep that promise by themselves. Some are known
by name (`operator.add`, `add_messages`). Of others the code tells: a function that only moves values, uses operators
and builds new containers cannot change its arguments. Every other reducer gets private copies (decision 0033).
"""

from __future__ import annotations

import builtins
import dis
import operator
from collections.abc import Callable, Sequence
from enum import Enum
from types import CellType, FunctionType
from typing import Any

from drumline_graph.channels.base import MISSING
from drumline_graph.channels.private import Memo, private_copy, shallow_copy
from drumline_graph.control import Overwrite


class Reach(Enum):
    """What of its arguments a reducer may change in place."""

    NOTHING = "nothing"
    NOTHING_OF_PYTHONS = "nothing, as long as both are of Python's own types"
    OUTER = "the left value itself, not what it holds; for Python's own types"
    ANYTHING = "both values, at any depth"


CONCATENATIONS = (operator.add, operator.concat, list.__add__, tuple.__add__, str.__add__, bytes.__add__)
EXTENSIONS = (operator.iadd, operator.iconcat, list.__iadd__)
UNIONS = (operator.or_, dict.__or__, set.__or__, frozenset.__or__)
UPDATES = (operator.ior, dict.__ior__, set.__ior__)

_PURE = (
    *CONCATENATIONS,
    *UNIONS,
    *(operator.and_, operator.xor, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.pow, operator.lshift, operator.rshift, int.__add__, float.__add__, set.__and__, frozenset.__and__),
)
_IN_PLACE = (
    *EXTENSIONS,
    *UPDATES,
    *(operator.iand, operator.ixor, operator.isub, operator.imul, set.__iand__, set.__isub__, set.__ixor__),
)

#: builtins that give a new value and leave what they are given as it is
_PURE_CALLS = (
    *(abs, all, any, bool, dict, enumerate, float, frozenset, int, isinstance, len, list, max, min, range, reversed),
    *(set, sorted, str, sum, tuple, zip),
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: instructions that move values and choose between them
_MOVES = _names(
    "CACHE COPY COPY_FREE_VARS DUP_TOP EXTENDED_ARG IS_OP JUMP_ABSOLUTE JUMP_BACKWARD JUMP_FORWARD "
    "JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP LOAD_CONST LOAD_DEREF LOAD_FAST LOAD_FAST_AND_CLEAR LOAD_FAST_BORROW "
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST LOAD_SMALL_INT NOP NOT_TAKEN "
    "POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_TRUE "
    "POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE "
    "POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_IF_TRUE POP_TOP RESUME RETURN_CONST RETURN_VALUE "
    "ROT_THREE ROT_TWO STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST SWAP TO_BOOL UNARY_NOT"
)

#: instructions that make new values of others; those that fill a container fill one that the same code has just built
_BUILDS = _names(
    "BINARY_ADD BINARY_AND BINARY_FLOOR_DIVIDE BINARY_LSHIFT BINARY_MODULO BINARY_MULTIPLY BINARY_OR BINARY_POWER "
    "BINARY_RSHIFT BINARY_SLICE BINARY_SUBSCR BINARY_SUBTRACT BINARY_TRUE_DIVIDE BINARY_XOR BUILD_CONST_KEY_MAP "
    "BUILD_LIST BUILD_MAP BUILD_SET BUILD_SLICE BUILD_STRING BUILD_TUPLE CALL CALL_KW COMPARE_OP CONTAINS_OP "
    "DICT_MERGE DICT_UPDATE END_FOR FOR_ITER GET_ITER KW_NAMES LIST_APPEND LIST_EXTEND LIST_TO_TUPLE MAP_ADD "
    "POP_ITER PRECALL RERAISE SET_ADD SET_UPDATE UNARY_NEGATIVE UNPACK_SEQUENCE"
)

_PYTHONS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset}
)
_GATE = _PYTHONS | {Overwrite, type(MISSING)}


def reach_of(reducer: Any) -> Reach:
    """What a reducer may change. `is_pure = True` on a function of the user says: nothing."""
    if getattr(reducer, "is_pure", False) is True:
        return Reach.NOTHING
    if any(reducer is known for known in _PURE):
        return Reach.NOTHING_OF_PYTHONS
    if any(reducer is known for known in _IN_PLACE):
        return Reach.OUTER
    return _reach_of_code(reducer) if type(reducer) is FunctionType else Reach.ANYTHING


def _reach_of_code(function: FunctionType) -> Reach:
    if _has_callables(function):
        return Reach.ANYTHING
    reach = Reach.NOTHING
    for step in dis.get_instructions(function):
        name = step.opname
        if name in _MOVES:
            continue
        reach = Reach.NOTHING_OF_PYTHONS
        if name in _BUILDS or (name == "BINARY_OP" and not step.argrepr.endswith("=")):
            continue
        if name == "CALL_INTRINSIC_1" and step.argrepr == "INTRINSIC_LIST_TO_TUPLE":
            continue
        if name == "LOAD_GLOBAL" and _is_pure_call(_global_of(function, step.argval)):
            continue
        # A method may be called here ("PUSH_NULL", "LOAD_ATTR"), an item set, anything.
        return Reach.ANYTHING
    return reach


def _has_callables(function: FunctionType) -> bool:
    """Whether a function has code of the user at hand, in a default or in a variable of the code around it.

    It may hand that on without calling it: `sorted(left, key=key)` calls `key` with the items.
    """
    closure = function.__closure__ or ()
    if CellType() in closure:  # a variable that will be set later
        return True
    kept = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    kept += [cell.cell_contents for cell in closure]
    return any(callable(value) and not _is_pure_call(value) for value in kept)


def _global_of(function: FunctionType, name: str) -> Any:
    return function.__globals__.get(name, getattr(builtins, name, None))


def _is_pure_call(called: Any) -> bool:
    return any(called is known for known in _PURE_CALLS) or getattr(called, "is_pure", False) is True


class PrivateReducer:
    """A reducer that never changes what it is given. One for each channel; it holds no value of any run."""

    __slots__ = ("_reach", "_reducer")

    def __init__(self, reducer: Callable[[Any, Any], Any]) -> None:
        self._reducer = reducer
        self._reach: Reach | None = None

    @property
    def reach(self) -> Reach:
        """What the reducer may change; looked at once."""
        if self._reach is None:
            self._reach = reach_of(self._reducer)
        return self._reach

    def for_merge(self, cell: Any, values: Sequence[Any]) -> Callable[[Any, Any], Any]:
        """What to call, for one merge of `values` into `cell`: the reducer itself where it changes neither."""
        reach = self._reach or self.reach
        if reach is Reach.NOTHING:
            return self._reducer
        if reach is not Reach.ANYTHING and type(cell) in _GATE and _GATE.issuperset(map(type, values)):
            return self._reducer if reach is Reach.NOTHING_OF_PYTHONS else _OnOuterCopy(self._reducer)
        return _OnPrivateCopies(self._reducer)

    def for_batch(self, cell: Any, values: Sequence[Any]) -> tuple[Any, list[Any]]:
        """What a batch reducer is given: its items are replaced, never changed, so a copy of the container will do."""
        if self.reach is Reach.NOTHING or self.reach is Reach.NOTHING_OF_PYTHONS:
            return cell, list(values)
        return shallow_copy(cell), list(values)


class _OnOuterCopy:
    """Calls a reducer that changes its left value, which is copied the first time; later it is the reducer's own."""

    __slots__ = ("_last", "_reducer")

    def __init__(self, reducer: Callable[[Any, Any], Any]) -> None:
        self._reducer = reducer
        self._last: Any = MISSING

    def __call__(self, left: Any, right: Any) -> Any:
        self._last = self._reducer(left if left is self._last else shallow_copy(left), right)
        return self._last


class _OnPrivateCopies:
    """Calls a reducer that may change anything. One memo for the whole merge: what was one object stays one object."""

    __slots__ = ("_last", "_memo", "_reducer")

    def __init__(self, reducer: Callable[[Any, Any], Any]) -> None:
        self._reducer = reducer
        self._last: Any = MISSING
        self._memo: Memo = {}

    def __call__(self, left: Any, right: Any) -> Any:
        left = left if left is self._last else private_copy(left, self._memo)
        self._last = self._reducer(left, private_copy(right, self._memo))
        return self._last
