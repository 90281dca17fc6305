"""The numbers of one process, in a registry of its own. The one place that imports prometheus-client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

from drumline.metrics.names import BY_NAME, FAMILIES, KNOWN, Role
from drumline_graph.errors import DrumlineError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

#: values of one label; what comes later counts as OTHER, so that no name of a user's makes a registry grow for ever
VALUES_MAX = 200
OTHER = "other"
#: in place of a graph that this process does not serve
UNKNOWN = "unknown"


class MetricsNotInstalled(DrumlineError):
    """Numbers were asked for, and prometheus-client is not installed: `pip install "drumline[metrics]"`."""

    def __init__(self) -> None:
        super().__init__(
            'numbers for Prometheus need prometheus-client, which is not installed: `pip install "drumline[metrics]"`'
        )


class Book:
    """All families of one role, the known labels of which are there as 0 from the start.

    `graphs` are those that the process serves. MetricsNotInstalled.
    """

    def __init__(self, role: Role, graphs: Iterable[str] = ()) -> None:
        library = library_of_numbers()
        self.registry: CollectorRegistry = library.CollectorRegistry()
        self._graphs = frozenset(graphs)
        self._values: dict[str, set[str]] = {}
        self._held: dict[str, Any] = {}
        for family in FAMILIES:
            if family.by == role:
                more = {"buckets": family.buckets} if family.buckets else {}
                kind = getattr(library, family.kind.capitalize())
                self._held[family.name] = kind(family.name, family.help, family.labels, registry=self.registry, **more)
                self._prepare(family.name, family.labels)

    def _prepare(self, name: str, labels: tuple[str, ...]) -> None:
        known = {**KNOWN, "graph": tuple(sorted(self._graphs))}
        if labels and all(label in known for label in labels):
            for values in product(*(known[label] for label in labels)):
                self.of(name, *values)

    def of(self, name: str, *values: str) -> Any:
        """The counter, gauge or histogram of that name with these labels."""
        held = self._held[name]
        labels = BY_NAME[name].labels
        return held.labels(*map(self._bounded, labels, values)) if labels else held

    def _bounded(self, label: str, value: str) -> str:
        if label == "graph":
            return value if value in self._graphs else UNKNOWN
        seen = self._values.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= VALUES_MAX:
            return OTHER
        seen.add(value)
        return value


class Look(Protocol):
    """Asked at a scrape: the gauges as they are now, as `{name: {labels: number}}`."""

    def __call__(self) -> Mapping[str, Mapping[tuple[str, ...], float]]: ...


class Looked:
    """A registry whose gauges are looked up when somebody reads them, and are gone with what they told of."""

    def __init__(self, look: Look) -> None:
        self._library = library_of_numbers()
        self._look = look
        self.registry: CollectorRegistry = self._library.CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: that would be a look."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client writes out."""
        from prometheus_client.core import GaugeMetricFamily

        for name, rows in self._look().items():
            family = BY_NAME[name]
            told = GaugeMetricFamily(name, family.help, labels=family.labels)
            for labels, number in list(rows.items())[:VALUES_MAX]:
                told.add_metric(list(labels), number)
            yield told


def library_of_numbers() -> Any:
    """prometheus-client. MetricsNotInstalled."""
    try:
        import prometheus_client
    except ImportError:
        raise MetricsNotInstalled from None
    return prometheus_client
