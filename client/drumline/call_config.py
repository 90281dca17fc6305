"""Configs of calls: how several become one, and what a graph that a node calls takes over from its caller. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drumline_graph.loaded import loaded
from drumline_protocol.metadata import metadata_below
from drumline_protocol.running import CONTEXT_KEY, TASK_KEY, current

if TYPE_CHECKING:
    from drumline_worker.context import TaskContext

Config = Mapping[str, Any]

_CONFIG_KEYS = frozenset({"callbacks", "run_name", "run_id", "max_concurrency", "recursion_limit"})
#: keys of `configurable` that belong to one task; its node may hand its config on, but not these
_OF_A_TASK = frozenset({TASK_KEY, CONTEXT_KEY, "checkpoint_ns", "checkpoint_id", "checkpoint_map"})
#: keys of `configurable` that give a called graph a history of its own: then it is no part of its caller's run
_OF_A_THREAD = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def merge_configs(*configs: Config | None) -> dict[str, Any]:
    """One config out of several, later ones winning: tags are joined, metadata and configurable merged.

    Keys that are none of LangChain's config keys count as `configurable`, as in LangGraph.
    """
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                continue
            if key == "tags":
                merged[key] = list(dict.fromkeys([*merged.get(key, ()), *value]))
            elif key in ("metadata", "configurable"):
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "callbacks" and merged.get(key):
                merged[key] = _both_callbacks(merged[key], value)
            elif key in _CONFIG_KEYS:
                merged[key] = value
            else:
                merged["configurable"] = {**merged.get("configurable", {}), key: value}
    return merged


def _both_callbacks(first: Any, second: Any) -> Any:
    """Callbacks of two configs: lists or managers of LangChain's. Of two managers the second was made of the first."""
    manager, rest = (second, first) if hasattr(second, "add_handler") else (first, second)
    if not hasattr(manager, "add_handler"):
        return [*first, *(handler for handler in second if handler not in first)]
    if hasattr(rest, "add_handler"):
        return second
    joined = manager.copy()
    for handler in rest:
        if handler not in joined.handlers:
            joined.add_handler(handler, inherit=True)
    return joined


def is_of_task(config: Config | None) -> bool:
    """Whether this is the config of a node, handed on by it."""
    return TASK_KEY in _configurable(config)


def call_config(base: Config | None, config: Config | None) -> tuple[dict[str, Any], TaskContext | None]:
    """The config of a call in this process, and the task whose run the called graph joins (None: a run of its own).

    `base` is the graph's own config, `config` what the caller gave. A graph that a node calls takes over the node's
    tags, metadata, callbacks and limits; and unless it is given a thread of its own, it takes over `configurable` too
    and becomes part of the node's run.
    """
    given = merge_configs(base, config)
    configurable = _configurable(given)
    caller: TaskContext | None = configurable.get(CONTEXT_KEY) or current.get()
    if caller is None:
        if "callbacks" not in given and (callbacks := _ambient_callbacks()) is not None:
            given["callbacks"] = callbacks
        return given, None
    apart = TASK_KEY not in configurable and any(configurable.get(key) not in (None, {}) for key in _OF_A_THREAD)
    merged = merge_configs(_handed_down(caller, apart=apart), given)
    # The caller's handlers go where tasks get some of their own, and where nobody is to hear them. Else they stay: for
    # a run apart they are the only ones, and in a graph that nobody asked for it only makes models stream.
    subgraphs = caller.job.shared.subgraphs
    if apart != subgraphs and merged.get("callbacks"):
        merged["callbacks"] = caller.without_handlers(merged["callbacks"])
    if not apart and "configurable" in merged:
        own = merged["configurable"].items()
        merged["configurable"] = {key: value for key, value in own if key not in _OF_A_TASK}
    return merged, None if apart else caller


def config_elsewhere(base: Config | None, config: Config | None) -> tuple[dict[str, Any], TaskContext | None]:
    """The config of a call whose run goes to other processes, and the node that makes the call, if one does.

    It still holds what only this process can use: who sends it leaves that behind.
    """
    merged, caller = call_config(base, config)
    callbacks = _callbacks_elsewhere(base, config)
    merged.pop("callbacks", None)
    if callbacks is not None:
        merged["callbacks"] = callbacks
    return merged, caller or current.get()


def _callbacks_elsewhere(*configs: Config | None) -> Any:
    """Callbacks for a run elsewhere: those that `configs` bring, else those of whoever calls, else None."""
    merged = merge_configs(*configs)
    caller = current.get()
    if "callbacks" not in merged and (caller is None or caller.trace is not None):
        return _ambient_callbacks()
    return merged.get("callbacks")


def _ambient_callbacks() -> Any:
    """Callbacks of the LangChain runnable, or LangGraph node, that calls a graph; None if there are none."""
    langchain = loaded("langchain_core.runnables.config")
    variable = getattr(langchain, "var_child_runnable_config", None)
    ambient = None if variable is None else variable.get()
    return (ambient or {}).get("callbacks")


def _configurable(config: Config | None) -> Mapping[str, Any]:
    return (config or {}).get("configurable") or {}


def _handed_down(caller: TaskContext, *, apart: bool) -> dict[str, Any]:
    given = caller.job.shared.config
    kept = ("tags", "recursion_limit", "max_concurrency")
    config: dict[str, Any] = {key: given[key] for key in kept if given.get(key) is not None}
    # In the caller's own context a runnable that its node called may stand between: it is the nearer parent.
    ambient = _ambient_callbacks() if caller is current.get() else None
    callbacks = ambient or caller.config.get("callbacks")
    if callbacks is not None:
        config["callbacks"] = callbacks
    metadata = {key: value for key, value in caller.metadata().items() if not key.startswith("langgraph_")}
    if not apart:
        metadata = metadata_below(metadata, None, (caller.checkpoint_ns,))
        config["configurable"] = _configurable(given)
    config["metadata"] = metadata
    return config
