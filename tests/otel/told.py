"""The spans that have ended, and how they lie to each other."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from drumline_transport.spans import Tracer, tracer_asked_for

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Told:
    """A provider of the SDK, and what came of its spans."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        #: the user's own
        self.users = self.provider.get_tracer("user")

    def install(self, patched: pytest.MonkeyPatch) -> None:
        patched.delenv("DRUMLINE_OTEL", raising=False)
        patched.setattr(trace, "get_tracer_provider", lambda: self.provider)

    def clear(self) -> None:
        self._exporter.clear()

    @property
    def tracer(self) -> Tracer:
        """drumline's."""
        found = tracer_asked_for()
        assert found is not None
        return found

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, (name, [span.name for span in self.spans])
        return found[0]

    def line(self, span: ReadableSpan) -> list[str]:
        """The names of a span and of those above it; what is above these and was told elsewhere, as hexadecimal."""
        known = {each.context.span_id: each for each in self.spans if each.context is not None}
        names = [span.name]
        while span.parent is not None:
            assert span.context is not None and span.parent.trace_id == span.context.trace_id
            if span.parent.span_id not in known:
                return [*names, f"{span.parent.span_id:016x}"]
            span = known[span.parent.span_id]
            names.append(span.name)
        return names


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]
