"""What a namespace may look like. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline.store.base.ops import GetOp, ListNamespacesOp, Op, PutOp, SearchOp


class InvalidNamespaceError(ValueError):
    """A namespace that LangGraph's stores refuse: empty where one is needed, or with a label that cannot be.

    A label is a text that is not empty and has neither a period nor a NUL in it. Another store may write a namespace
    as one text with periods; drumline's do not, but an item that is put into one shall fit into another.
    """


def check_labels(namespace: Sequence[Any]) -> tuple[str, ...]:
    """The namespace as a tuple. InvalidNamespaceError for a label that cannot be."""
    labels = as_labels(namespace)
    for label in labels:
        if not label:
            raise InvalidNamespaceError(f"Namespace labels cannot be empty strings. Got {label!r} in {labels}")
        if "." in label:
            raise InvalidNamespaceError(
                f"Invalid namespace label {label!r} found in {labels}. Namespace labels cannot contain periods ('.')."
            )
        if "\x00" in label:
            raise InvalidNamespaceError(
                f"Invalid namespace label {label!r} found in {labels}. Namespace labels cannot contain NUL bytes."
            )
    return labels


def check_namespace(namespace: Sequence[Any]) -> tuple[str, ...]:
    """The namespace of a `put` as a tuple. InvalidNamespaceError, also for none and for LangGraph's own root."""
    if not namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    labels = check_labels(namespace)
    if labels[0] == "langgraph":
        raise InvalidNamespaceError(f'Root label for namespace cannot be "langgraph". Got: {labels}')
    return labels


def as_labels(namespace: Sequence[Any]) -> tuple[str, ...]:
    """The namespace as a tuple of any texts. InvalidNamespaceError for one text, and for labels that are none."""
    if isinstance(namespace, str):
        raise InvalidNamespaceError(
            f"A namespace is a tuple of strings, and {namespace!r} is one string: write ({namespace!r},)."
        )
    labels = tuple(namespace)
    for label in labels:
        if not isinstance(label, str):
            raise InvalidNamespaceError(
                f"Invalid namespace label {label!r} found in {labels}. Namespace labels must be strings, but got "
                f"{type(label).__name__}."
            )
    return labels


def validate_op_namespace(op: Op) -> None:
    """Check the labels of an operation, for a store that writes namespaces as one text. InvalidNamespaceError.

    drumline's stores take any texts in `batch`, as LangGraph's InMemoryStore does.
    """
    if isinstance(op, (GetOp, PutOp)):
        check_labels(op.namespace)
    elif isinstance(op, SearchOp):
        check_labels(op.namespace_prefix)
    elif isinstance(op, ListNamespacesOp):
        for condition in op.match_conditions or ():
            check_labels(condition.path)
