"""The state API of a graph on a cluster: that of the graph at hand, on the threads that the cluster keeps."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline_graph.types import StateSnapshot, StateUpdate

if TYPE_CHECKING:
    from drumline.cluster.link import Link
    from drumline.cluster.thread_store import ClusterThreads


class ClusterStates:
    """A part of `ClusterGraph`. Snapshots are made in this process, which must hold the graph; updates are runs.

    All raise ValueError for a graph that this process does not hold (`cluster.graph(name, graph=)`), and what the
    methods of `CompiledStateGraph` raise.
    """

    name: str
    config: dict[str, Any]
    _graph: Any
    _link: Link

    @property
    def thread_store(self) -> ClusterThreads:
        """The threads of the cluster, as savers give them."""
        from drumline.cluster.thread_store import ClusterThreads

        return ClusterThreads(self._link, self.name, None if self._graph is None else self._graph.program)

    @property
    def _bound(self) -> Any:
        if self._graph is None:
            raise ValueError(f"Its schemas and edges are needed: cluster.graph({self.name!r}, graph=...).")
        bound = copy.copy(self._graph)
        bound._remote, bound.config = self, self.config
        return bound

    def get_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """As `get_state` of a compiled graph."""
        found: StateSnapshot = self._bound.get_state(config, subgraphs=subgraphs)
        return found

    async def aget_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """As `aget_state` of a compiled graph."""
        found: StateSnapshot = await self._bound.aget_state(config, subgraphs=subgraphs)
        return found

    def get_state_history(self, config: Mapping[str, Any], **which: Any) -> Iterator[StateSnapshot]:
        """As `get_state_history` of a compiled graph."""
        yield from self._bound.get_state_history(config, **which)

    async def aget_state_history(self, config: Mapping[str, Any], **which: Any) -> AsyncIterator[StateSnapshot]:
        """As `aget_state_history` of a compiled graph."""
        async for found in self._bound.aget_state_history(config, **which):
            yield found

    def update_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """As `update_state` of a compiled graph."""
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """As `aupdate_state` of a compiled graph."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """As `bulk_update_state` of a compiled graph."""
        found: dict[str, Any] = self._bound.bulk_update_state(config, supersteps)
        return found

    async def abulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """As `abulk_update_state` of a compiled graph."""
        found: dict[str, Any] = await self._bound.abulk_update_state(config, supersteps)
        return found
