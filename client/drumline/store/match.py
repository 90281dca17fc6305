"""Which values a filter finds, and which namespaces fit conditions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drumline.store.base.ops import ListNamespacesOp, MatchCondition

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
}
_OPERATORS = ("$eq", "$ne", *_ORDER)


def check_filter(filter: Mapping[str, Any] | None) -> None:
    """ValueError for an operator that there is not, or one that compares with something that is no number."""
    for wanted in (filter or {}).values():
        _check(wanted)


def _check(wanted: Any) -> None:
    if isinstance(wanted, (list, tuple)):
        for part in wanted:
            _check(part)
    if not isinstance(wanted, dict):
        return
    if not _has_operators(wanted):
        for part in wanted.values():
            _check(part)
        return
    for operator, operand in wanted.items():
        if operator not in _OPERATORS:
            raise ValueError(f"Unsupported operator: {operator}. A filter knows {', '.join(_OPERATORS)}.")
        if operator in _ORDER and _number(operand) is None:
            raise ValueError(f"the filter operator {operator} compares numbers, and {operand!r} is none")


def fits(value: Mapping[str, Any], filter: Mapping[str, Any] | None) -> bool:
    """Whether all fields that a filter names are in `value` as it wants them. A missing field counts as None."""
    return all(_equal(value.get(field), wanted) for field, wanted in (filter or {}).items())


def _has_operators(wanted: dict[Any, Any]) -> bool:
    return any(str(key).startswith("$") for key in wanted)


def _equal(found: Any, wanted: Any) -> bool:
    """Whether a value is as a filter wants it: operators, the wanted keys of a dict, equal lists, or equality."""
    if isinstance(wanted, dict):
        if _has_operators(wanted):
            return all(_compare(found, operator, operand) for operator, operand in wanted.items())
        return isinstance(found, dict) and all(_equal(found.get(key), part) for key, part in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
            return False
        return all(map(_equal, found, wanted))
    return bool(found == wanted)


def _compare(found: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(found == operand)
    if operator == "$ne":
        return bool(found != operand)
    number, bound = _number(found), _number(operand)
    return number is not None and bound is not None and _ORDER[operator](number, bound)


def _number(value: Any) -> float | None:
    """The value as a number, a text that is one too; None for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def listed(namespaces: Iterable[tuple[str, ...]], op: ListNamespacesOp) -> list[tuple[str, ...]]:
    """Those namespaces that `op` asks for: sorted, cut to its depth, each once, and of those the asked page."""
    conditions = op.match_conditions or ()
    fitting = (namespace for namespace in namespaces if all(_fits(namespace, one) for one in conditions))
    depth = op.max_depth
    found = sorted({namespace if depth is None else namespace[:depth] for namespace in fitting})
    return found[op.offset : op.offset + op.limit]


def _fits(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    path = condition.path
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))
