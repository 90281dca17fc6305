"""LangGraph's channels as drumline's specs: the same rules, on immutable cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph import channels as theirs
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import NamedBarrierValue, NamedBarrierValueAfterFinish
from langgraph.graph.message import add_messages as their_add_messages
from langgraph.managed.is_last_step import IsLastStepManager, RemainingStepsManager

from drumline.langgraph.versions import refuse
from drumline_graph import channels as ours
from drumline_graph import managed
from drumline_graph.callables import plain_name
from drumline_graph.message import add_messages


def channel_of(name: str, spec: Any) -> ours.Channel:
    """The spec of channel `name`. FeatureNotBuilt for a channel class that is not LangGraph's own."""
    make = _MAKERS.get(type(spec))
    if make is None:
        kind = f"{type(spec).__module__}.{type(spec).__qualname__}"
        refuse(f"Channel class {kind}", f"key {name!r}", "use one of langgraph.channels, or a reducer")
        raise AssertionError
    return make(spec)


def manager_of(name: str, spec: Any) -> type:
    """The managed value that `spec` stands for. FeatureNotBuilt for one that is not LangGraph's own."""
    found = _MANAGED.get(spec)
    if found is None:
        refuse(f"Managed value {getattr(spec, '__qualname__', spec)}", f"key {name!r}")
        raise AssertionError
    return found


def _reduced(spec: Any) -> ours.Channel:
    # drumline's own reducer says of itself how histories grow, so that only what is new travels.
    operator = add_messages if spec.operator is their_add_messages else spec.operator
    return ours.BinaryOperatorAggregate(spec.typ, operator)


def _delta(spec: Any) -> ours.Channel:
    return ours.DeltaChannel(spec.reducer, spec.typ, snapshot_frequency=spec.snapshot_frequency)


_MAKERS: dict[type, Callable[[Any], ours.Channel]] = {
    theirs.LastValue: lambda spec: ours.LastValue(spec.typ),
    theirs.AnyValue: lambda spec: ours.AnyValue(spec.typ),
    theirs.EphemeralValue: lambda spec: ours.EphemeralValue(spec.typ, spec.guard),
    theirs.UntrackedValue: lambda spec: ours.UntrackedValue(spec.typ, spec.guard),
    theirs.Topic: lambda spec: ours.Topic(spec.typ, spec.accumulate),
    theirs.BinaryOperatorAggregate: _reduced,
    theirs.DeltaChannel: _delta,
    LastValueAfterFinish: lambda spec: ours.LastValueAfterFinish(spec.typ),
    NamedBarrierValue: lambda spec: ours.NamedBarrierValue(spec.typ, set(map(plain_name, spec.names))),
    NamedBarrierValueAfterFinish: lambda spec: ours.NamedBarrierValueAfterFinish(
        spec.typ, set(map(plain_name, spec.names))
    ),
}

_MANAGED: dict[Any, type] = {
    IsLastStepManager: managed.IsLastStepManager,
    RemainingStepsManager: managed.RemainingStepsManager,
}
