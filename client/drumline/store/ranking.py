"""Items by their nearness to a query: the cosine of vectors, one after another. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from drumline_graph.errors import DrumlineError
from drumline_graph.loaded import loaded
from drumline_protocol.limits import STORE_VECTORS_MAX

Vector = Sequence[float]
ItemT = TypeVar("ItemT")


class SearchTooWide(DrumlineError):
    """A search by meaning would have to compare its query with too many vectors.

    drumline's stores keep no vector index: they compare a query with every vector below the namespace, which is exact
    and takes time by their number. Search in a narrower namespace or with a filter; or give `compile(store=)` a store
    that has such an index, for example LangGraph's PostgresStore.
    """

    def __init__(self, namespace: Sequence[str]) -> None:
        super().__init__(tuple(namespace))
        self.namespace = tuple(namespace)

    def __str__(self) -> str:
        return (
            f"the search below {self.namespace} would compare its query with more than {STORE_VECTORS_MAX} vectors: "
            "drumline's stores keep no vector index. Search in a narrower namespace or with a filter, or use a store "
            "that has such an index (LangGraph's PostgresStore, for example: compile(store=) takes it as it is)."
        )


def check_width(namespace: Sequence[str], vectors: int) -> None:
    """SearchTooWide for more vectors than a search may compare."""
    if vectors > STORE_VECTORS_MAX:
        raise SearchTooWide(namespace)


def ranked(
    query: Vector, candidates: Sequence[tuple[ItemT, Sequence[Vector]]], offset: int, limit: int
) -> list[tuple[float | None, ItemT]]:
    """A page of the candidates, nearest first, each by the nearest of its vectors; behind them those without vectors.

    Candidates that are equally near keep their order. ValueError for vectors of another length than the query's.
    """
    flat = [vector for _, vectors in candidates for vector in vectors]
    scores = iter(_cosines(query, flat))
    scored: list[tuple[float, ItemT]] = []
    plain: list[tuple[float | None, ItemT]] = []
    for item, vectors in candidates:
        if vectors:
            scored.append((max(next(scores) for _ in vectors), item))
        else:
            plain.append((None, item))
    scored.sort(key=lambda pair: pair[0], reverse=True)
    return [*scored, *plain][offset : offset + limit]


def _cosines(query: Vector, vectors: Sequence[Vector]) -> list[float]:
    for vector in vectors:
        if len(vector) != len(query):
            raise ValueError(
                f"the query has {len(query)} dimensions and a stored vector {len(vector)}: the item was put with "
                "another embedding. Put it again."
            )
    numpy: Any = loaded("numpy")
    if numpy is not None and vectors:
        return _cosines_of_arrays(numpy, query, vectors)
    length = math.sqrt(math.fsum(x * x for x in query))
    return [_cosine(query, length, vector) for vector in vectors]


def _cosine(query: Vector, length: float, vector: Vector) -> float:
    other = math.sqrt(math.fsum(y * y for y in vector))
    if not length or not other:
        return 0.0
    return math.fsum(x * y for x, y in zip(query, vector, strict=True)) / (length * other)


def _cosines_of_arrays(numpy: Any, query: Vector, vectors: Sequence[Vector]) -> list[float]:
    one = numpy.asarray(query, dtype=float)
    rows = numpy.asarray(vectors, dtype=float)
    lengths = numpy.linalg.norm(rows, axis=1) * numpy.linalg.norm(one)
    scores = numpy.zeros(len(rows))
    numpy.divide(rows @ one, lengths, out=scores, where=lengths != 0)
    found: list[float] = scores.tolist()
    return found
