"""What the routes need of whoever runs graphs: a cluster, or this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from drumline_graph.types import StateSnapshot


@dataclass(frozen=True, slots=True)
class Wanted:
    """How somebody wants to see a run."""

    #: stream modes as drumline names them ("messages" for `messages-tuple`)
    modes: Sequence[str]
    subgraphs: bool = False
    #: position behind which to begin; None: the first item
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a run's stream, and the position behind it."""

    position: str
    mode: str
    ns: tuple[str, ...]
    data: Any
    #: `version="v2"` parts of `values` carry the questions beside the values
    interrupts: Sequence[Any] = ()


class RunItems(Protocol):
    """A reader of one run. Iterating raises what ended the run, as `Cluster.ajoin` does."""

    def __aiter__(self) -> AsyncIterator[Item]: ...

    async def aclose(self) -> None:
        """Stop reading. The run goes on."""


@dataclass(slots=True)
class Start:
    """A run that is to be started: the body of a request, checked."""

    graph: str
    input: Any
    thread: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    context: Any = None
    stops_before: Any = None
    stops_after: Any = None
    strategy: str | None = None
    durability: str | None = None
    #: what is kept of the run beside drumline's own record, as JSON
    kept: dict[str, Any] = field(default_factory=dict)
