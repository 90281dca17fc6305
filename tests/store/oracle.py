"""LangGraph's InMemoryStore as the oracle, and what of a result is compared."""

from __future__ import annotations

from typing import Any

from langgraph.store.memory import InMemoryStore as LangGraphs


class Sparse(dict[Any, Any]):
    """Namespaces; reading one that is not there does not make it."""

    def __missing__(self, namespace: Any) -> Any:
        return {}


class Oracle(LangGraphs):
    """It, without a defect of its own: it lists namespaces that hold nothing, because somebody read there or because
    all in them was deleted, and remembers their place in the order.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._data = Sparse()  # type: ignore[assignment]

    def _apply_put_ops(self, put_ops: Any) -> None:
        for (namespace, _), op in put_ops.items():
            if op.value is not None:
                self._data.setdefault(namespace, {})
        super()._apply_put_ops(put_ops)
        for namespace in [namespace for namespace, items in self._data.items() if not items]:
            del self._data[namespace]


def compared(result: Any) -> Any:
    """A result without times."""
    if isinstance(result, list):
        return [compared(part) for part in result]
    if not hasattr(result, "namespace"):
        return result
    score = getattr(result, "score", None)
    return (result.namespace, result.key, result.value, None if score is None else round(score, 5))
