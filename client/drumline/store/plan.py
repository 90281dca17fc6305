"""From the operations of a batch to what a store is to do: reads of what is there, then one put for each key. Pure.

All that can be wrong with an operation is found here, before anything is read or changed: a batch is done whole or not
at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drumline.store.base.namespaces import as_labels
from drumline.store.base.ops import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp
from drumline.store.match import check_filter

#: a namespace and a key
Place = tuple[tuple[str, ...], str]

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (GetOp, SearchOp, ListNamespacesOp, PutOp)}


@dataclass(slots=True)
class Plan:
    """What a batch asks for: reads by their number in the batch, and of several puts of one key the last one.

    Puts stand in the order in which their keys were named first, as in LangGraph's stores.
    """

    size: int = 0
    gets: dict[int, GetOp] = field(default_factory=dict)
    searches: dict[int, SearchOp] = field(default_factory=dict)
    lists: dict[int, ListNamespacesOp] = field(default_factory=dict)
    puts: dict[Place, PutOp] = field(default_factory=dict)

    def results(self) -> list[Any]:
        """A list with room for each result."""
        return [None] * self.size


def plan_of(ops: Iterable[Op]) -> Plan:
    """The plan of a batch. Operations of LangGraph's own classes are taken by their fields.

    InvalidNamespaceError for a label that is no text, TypeError or ValueError for a value that is no mapping, a filter
    or condition that no store knows, and for what is no operation.
    """
    plan = Plan()
    for number, given in enumerate(ops):
        plan.size = number + 1
        op = _ours(given)
        if type(op) is GetOp:
            plan.gets[number] = op._replace(namespace=as_labels(op.namespace), key=str(op.key))
        elif type(op) is SearchOp:
            check_filter(op.filter)
            plan.searches[number] = op._replace(namespace_prefix=as_labels(op.namespace_prefix))
        elif type(op) is ListNamespacesOp:
            plan.lists[number] = op._replace(match_conditions=tuple(map(_condition, op.match_conditions or ())))
        else:
            put = _put(op)
            plan.puts[put.namespace, put.key] = put
    return plan


def _ours(op: Any) -> Any:
    if type(op) in _KINDS.values():
        return op
    for cls in type(op).__mro__:
        kind = _KINDS.get(cls.__name__)
        if kind is not None:
            return kind(**{name: getattr(op, name) for name in kind._fields if hasattr(op, name)})
    raise ValueError(f"Unknown operation type: {type(op)}. A batch takes {', '.join(_KINDS)}.")


def _condition(condition: Any) -> MatchCondition:
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"Unsupported match type: {condition.match_type}. It is 'prefix' or 'suffix'.")
    return MatchCondition(condition.match_type, as_labels(condition.path))


def _put(op: PutOp) -> PutOp:
    namespace, key = as_labels(op.namespace), str(op.key)
    if op.value is None:
        return PutOp(namespace, key, None)
    if isinstance(op.value, str) or not (isinstance(op.value, (Mapping, Iterable))):
        raise TypeError(
            f"the value of item {key!r} in {namespace} must be a mapping with strings as keys, and is a "
            f"{type(op.value).__name__}"
        )
    return op._replace(namespace=namespace, key=key, value=dict(op.value))


def literal_head(conditions: Iterable[MatchCondition]) -> tuple[str, ...]:
    """Labels that every namespace which fits the conditions begins with: what stands before the first `*`."""
    longest: tuple[str, ...] = ()
    for condition in conditions:
        if condition.match_type == "prefix":
            path = tuple(condition.path)
            head = path[: path.index("*")] if "*" in path else path
            longest = max(longest, head, key=len)
    return longest
