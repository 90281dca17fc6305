"""What a builder's nodes are once the defaults of the builder are counted in, with the nodes that handle errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from drumline_graph.callables import capabilities_of
from drumline_graph.coercion import as_action
from drumline_graph.constants import DEFAULT_ERROR_HANDLER, ERROR_HANDLER_PREFIX
from drumline_graph.control import TimeoutPolicy
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.specs import NodeDefaults, NodeSpec


@dataclass(slots=True)
class Policies:
    """How failures of one node are met. `handler` is the node that handles its errors, `handles`: it is such a node."""

    retry: tuple[Any, ...] = ()
    timeout: TimeoutPolicy | None = None
    cache: Any = None
    handler: str = ""
    handles: bool = False


def nodes_and_policies(
    specs: Mapping[str, NodeSpec], defaults: NodeDefaults, state_schema: Any
) -> tuple[dict[str, NodeSpec], dict[str, Policies]]:
    """All nodes of a graph, those that handle errors among them, and the policies of each.

    What a node says itself comes first. Retries and time limits of the defaults hold for handlers too; a handler is
    neither cached nor handled. Raises GraphDefinitionError for a name that is taken, and for a time limit that cannot
    be kept.
    """
    nodes: dict[str, NodeSpec] = dict(specs)
    policies: dict[str, Policies] = {}
    for spec in specs.values():
        handler = "" if defaults.error_handler is None else DEFAULT_ERROR_HANDLER
        if spec.error_handler is not None:
            handler = ERROR_HANDLER_PREFIX + spec.name
            _add_handler(nodes, handler, spec.error_handler, spec.input_schema)
        cache = defaults.cache if spec.cache is None else spec.cache
        policies[spec.name] = Policies(spec.retry or defaults.retry, spec.timeout or defaults.timeout, cache, handler)
    if defaults.error_handler is not None:
        _add_handler(nodes, DEFAULT_ERROR_HANDLER, defaults.error_handler, state_schema)
    for name in nodes.keys() - specs.keys():
        policies[name] = Policies(defaults.retry, defaults.timeout, handles=True)
    for name, found in policies.items():
        if found.timeout is not None:
            check_timeout(f"Node {name!r}", nodes[name].capabilities.has_async, found.timeout)
    return nodes, policies


def _add_handler(nodes: dict[str, NodeSpec], name: str, handler: Any, input_schema: Any) -> None:
    if name in nodes:
        raise GraphDefinitionError(
            f"Node {name!r} already exists, and is the name of the node that handles errors. Rename it."
        )
    where = f"The error handler {name!r}"
    action = as_action(handler, where=where)
    capabilities = capabilities_of(action, where=where, reads=handler)
    nodes[name] = NodeSpec(name, handler, action, capabilities, input_schema)


def check_timeout(what: str, has_async: bool, timeout: TimeoutPolicy | None) -> None:
    """GraphDefinitionError for sync code with a time limit that cannot be kept."""
    if timeout is not None and not has_async and not timeout.sync:
        raise GraphDefinitionError(
            f"{what} has a timeout and is sync: no thread can be stopped, so a timeout is not supported "
            "there. Make it async, or, for a graph that runs on a cluster only, give "
            "TimeoutPolicy(run_timeout=..., sync=True): see docs/failures.md for what that can do."
        )


def with_policies(node: Any, found: Policies) -> Any:
    """A compiled node with its policies."""
    if found == _NONE:
        return node
    return replace(
        node,
        retry=found.retry,
        timeout=found.timeout,
        cache=found.cache,
        handler=found.handler,
        handles=found.handles,
    )


_NONE = Policies()
