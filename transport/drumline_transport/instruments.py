"""Numbers of OpenTelemetry about messages: tasks that are sent and taken. With `spans` the one that imports it.

The names are those of the conventions for messaging, which are in development. So they are told only to who has opted
into these, where a meter provider is set and spans are not switched off. Nothing that the provider raises reaches a
run: it is logged once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_graph.loaded import loaded
from drumline_transport.spans import OtelNotInstalled, bounded, flush, has_opted_into, is_asked_for, warn_once

#: upper bounds in seconds that the conventions advise
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
#: the consumer group of all pools
_GROUP = "workers"


def instruments_asked_for(prefix: str) -> Instruments | None:
    """What counts messages under keys of that prefix; None if nobody asks, or nobody would hear. OtelNotInstalled."""
    if not has_opted_into("messaging") or not is_asked_for(_load):
        return None
    metrics = loaded("opentelemetry.metrics")
    if metrics is None:
        return None
    try:
        provider = metrics.get_meter_provider()
        silent = (metrics.NoOpMeterProvider, metrics._internal._ProxyMeterProvider)
        return None if isinstance(provider, silent) else Instruments(provider, prefix)
    except Exception as error:  # of a provider that the environment names
        warn_once("meters", f"messages are not counted: {type(error).__name__}: {error}")
        return None


def _load() -> None:
    import opentelemetry.metrics  # noqa: F401  `loaded` finds it


def instruments_here(prefix: str) -> Instruments | None:
    """The same, for who would rather have no numbers than an error."""
    try:
        return instruments_asked_for(prefix)
    except OtelNotInstalled as error:
        warn_once("installed", str(error))
        return None


class Instruments:
    """The instruments of one process. May be used by several threads."""

    def __init__(self, provider: Any, prefix: str) -> None:
        self._provider = provider
        self._prefix = prefix
        meter = provider.get_meter("drumline")
        self._operations = _histogram(
            meter, "messaging.client.operation.duration", "how long it took until the broker had taken what was sent"
        )
        self._processes = _histogram(meter, "messaging.process.duration", "how long attempts of tasks ran")
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "tasks that were sent")
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}", "tasks that began")

    def sent(self, pools: Mapping[str, int], took_s: float) -> None:
        """So many tasks were sent to each of these pools, in one commit."""
        for pool, count in pools.items():
            said = self._said("send", pool)
            self._tell(self._operations.record, took_s, said)
            self._tell(self._sent.add, count, said)

    def taken(self, pool: str) -> None:
        """A task has begun."""
        said = self._said("receive", pool, **{"messaging.consumer.group.name": _GROUP})
        self._tell(self._consumed.add, 1, said)

    def processed(self, pool: str, took_s: float, error: str = "") -> None:
        """A task has its answer. `error`: the class of what it has failed with."""
        more = {"messaging.consumer.group.name": _GROUP, **({"error.type": bounded(error)} if error else {})}
        self._tell(self._processes.record, took_s, self._said("process", pool, **more))

    def flush(self, limit_s: float) -> None:
        """Wait, so long at most, until what was told has left this process, if the provider can say so."""
        flush(self._provider, limit_s)

    def _said(self, operation: str, pool: str, **more: str) -> dict[str, str]:
        return {
            "messaging.system": "redis",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": f"{self._prefix}:tasks:{pool}",
            **more,
        }

    @staticmethod
    def _tell(tell: Any, number: float, said: Mapping[str, str]) -> None:
        try:
            tell(number, said)
        except Exception as error:
            warn_once("numbers", f"messages are not counted: {type(error).__name__}: {error}")


def _histogram(meter: Any, name: str, told: str) -> Any:
    try:
        return meter.create_histogram(name, "s", told, explicit_bucket_boundaries_advisory=BUCKETS_S)
    except TypeError:  # an API before 1.30: the user's views say which bounds there are
        return meter.create_histogram(name, "s", told)
