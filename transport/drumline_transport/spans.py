"""Spans for OpenTelemetry. With `instruments` the one module that imports it, and that only if somebody asks.

`DRUMLINE_OTEL` (or `ask_for_spans`) says so: "on" imports the API, "off" makes no spans. Without a word there are spans
where the process has loaded the API by itself. The user brings SDK and exporters: while no provider is set there are no
spans.

Nothing that a tracer, a processor or an exporter raises reaches a run: it is logged once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drumline_graph.errors import DrumlineError
from drumline_graph.loaded import loaded
from drumline_protocol.trace_context import (
    NO_TRACE,
    OFF,
    ON,
    VARIABLE_OF_SPANS,
    TraceContext,
    as_texts,
    checked,
    trace_here,
)

log = logging.getLogger("drumline")

#: which names that may still change somebody wants
OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
#: of a text that is an attribute, or part of a span's name
CHARS_MAX = 512

_asked: str | None = None
_warned: set[str] = set()


class OtelNotInstalled(DrumlineError):
    """Spans were asked for, and opentelemetry-api is not installed: `pip install "drumline[otel]"`."""

    def __init__(self) -> None:
        super().__init__(
            'spans need opentelemetry-api, which is not installed: `pip install "drumline[otel]"`, and an SDK with it'
        )


def ask_for_spans(word: str | None) -> None:
    """Say for this process whether there are spans: ON, OFF, or None for what the environment says."""
    global _asked
    _asked = word


def is_asked_for(load: Callable[[], None]) -> bool:
    """Whether anything is told. If that was asked for, `load` imports a module of OpenTelemetry. OtelNotInstalled."""
    word = _asked or os.environ.get(VARIABLE_OF_SPANS)
    if word == ON:
        try:
            load()
        except ImportError:
            raise OtelNotInstalled from None
    return word != OFF


def has_opted_into(convention: str) -> bool:
    """Whether somebody wants the names of a convention that is in development."""
    opted = {word.strip() for word in os.environ.get(OPT_IN, "").split(",")}
    return not opted.isdisjoint((convention, f"{convention}/dup"))


def tracer_asked_for() -> Tracer | None:
    """What makes spans; None if nobody asks for any, or nobody would hear of them. OtelNotInstalled."""
    if not is_asked_for(_load):
        return None
    trace = loaded("opentelemetry.trace")
    return None if trace is None else _tracer_of(trace)


def _load() -> None:
    import opentelemetry.trace  # noqa: F401  `loaded` finds it


def tracer_here() -> Tracer | None:
    """The same, for who would rather have no spans than an error."""
    try:
        return tracer_asked_for()
    except OtelNotInstalled as error:
        warn_once("installed", str(error))
        return None


_tracers: dict[int, Tracer] = {}


def _tracer_of(trace: Any) -> Tracer | None:
    """One for each provider: a test may set another one."""
    try:
        provider = trace.get_tracer_provider()
        if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
            return None
        found = _tracers.get(id(provider))
        if found is None or found.provider is not provider:
            _tracers.clear()
            found = _tracers[id(provider)] = Tracer(trace, provider)
        return found
    except Exception as error:  # of a provider that the environment names
        warn_once("provider", f"there are no spans: {type(error).__name__}: {error}")
        return None


class Tracer:
    """OpenTelemetry's tracer, none of whose errors comes out. A span that could not begin is None."""

    def __init__(self, trace: Any, provider: Any) -> None:
        self.provider = provider
        self._trace = trace
        from opentelemetry import context

        self._context: Any = context
        self._tracer = provider.get_tracer("drumline")
        #: which conventions that are still in development somebody has opted into
        self.messaging = has_opted_into("messaging")
        self.gen_ai = has_opted_into("gen_ai_latest_experimental")

    def here(self) -> Any:
        """The context of the calling code, or that of the request that it answers. For `start`."""
        try:
            around = self._context.get_current()
            if self._trace.get_current_span(around).get_span_context().is_valid:
                return around
            return self.context_of(*trace_here(), around=around)
        except Exception as error:
            warn_once("here", f"the span around a call is not known: {type(error).__name__}: {error}")
            return None

    def context_of(self, traceparent: str, tracestate: str = "", around: Any = None) -> Any:
        """The context that these texts name; an empty one for texts that name none."""
        around = self._context.Context() if around is None else around
        span = self._remote(traceparent, tracestate)
        return around if span is None else self._trace.set_span_in_context(self._trace.NonRecordingSpan(span), around)

    def _remote(self, traceparent: str, tracestate: str) -> Any:
        traceparent, tracestate = checked(traceparent, tracestate)
        if not traceparent:
            return None
        trace = self._trace
        _, trace_id, span_id, flags = traceparent.split("-")
        state = trace.TraceState.from_header([tracestate]) if tracestate else None
        return trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)), state)

    # -- spans ----------------------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        name: str,
        parent: Any,
        attributes: Mapping[str, Any],
        *,
        linked: str = "",
        start_ms: float | None = None,
    ) -> Any:
        """Begin a span below `parent`, a context. `kind` is one of OpenTelemetry's, `linked` a `traceparent`."""
        try:
            remote = self._remote(linked, "") if linked else None
            return self._tracer.start_span(
                name[:CHARS_MAX],
                parent,
                self._trace.SpanKind[kind],
                {key: bounded(value) for key, value in attributes.items()},
                [] if remote is None else [self._trace.Link(remote)],
                None if start_ms is None else int(start_ms * 1_000_000),
            )
        except Exception as error:
            warn_once("start", f"a span could not begin: {type(error).__name__}: {error}")
            return None

    def texts_of(self, span: Any) -> TraceContext:
        """A span as texts that travel; empty for one that is none."""
        try:
            return NO_TRACE if span is None else as_texts(span)
        except Exception as error:
            warn_once("texts", f"the context of a span is not known: {type(error).__name__}: {error}")
            return NO_TRACE

    def around(self, span: Any, parent: Any) -> Any:
        """The context in which the span is the current one; `parent` if it is none."""
        try:
            return parent if span is None else self._trace.set_span_in_context(span, parent)
        except Exception as error:
            warn_once("around", f"a span could not become the current one: {type(error).__name__}: {error}")
            return parent

    def attach(self, context: Any) -> Any:
        """Make a context that of the calling code; what `detach` takes."""
        return None if context is None else self._context.attach(context)

    def detach(self, token: Any) -> None:
        """Undo `attach`, in the same thread or coroutine."""
        if token is not None:
            self._context.detach(token)

    def end(
        self, span: Any, *, error: str = "", attributes: Mapping[str, Any] | None = None, end_ms: float | None = None
    ) -> None:
        """End a span. `error` is the class of an exception: what it says may hold what users wrote."""
        if span is None:
            return
        try:
            for key, value in (attributes or {}).items():
                span.set_attribute(key, bounded(value))
            if error:
                span.set_attribute("error.type", bounded(error))
                span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
            span.end(None if end_ms is None else int(end_ms * 1_000_000))
        except Exception as raised:
            warn_once("end", f"a span could not end: {type(raised).__name__}: {raised}")

    def flush(self, limit_s: float) -> None:
        """Wait, so long at most, until what was told has left this process, if the provider can say so."""
        flush(self.provider, limit_s)


def flush(provider: Any, limit_s: float) -> None:
    """Wait, so long at most, until what a provider was told has left this process, if it can say so."""
    try:
        told = getattr(provider, "force_flush", None)
        if told is not None:
            told(int(limit_s * 1000))
    except Exception as error:
        warn_once("flush", f"something may be lost at the end of this process: {type(error).__name__}: {error}")


def bounded(value: Any) -> Any:
    """A value of an attribute, of which texts are cut."""
    if isinstance(value, str):
        return value[:CHARS_MAX].encode("utf-8", "replace").decode()
    return [bounded(part) for part in value[:32]] if isinstance(value, Sequence) else value


def warn_once(what: str, text: str) -> None:
    """Log it once for each kind of trouble: it may come back with every task."""
    if what not in _warned:
        _warned.add(what)
        log.warning("OpenTelemetry: %s", text)
