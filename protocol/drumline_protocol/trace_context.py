"""The trace that a run is part of, as W3C's headers say it: `traceparent`, and `tracestate` beside it. Pure.

Both come from outside, so they are looked at before anybody keeps them: what is none is as if it were not there. They
travel as texts, through processes that know nothing of OpenTelemetry.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Any

from drumline_graph.loaded import loaded
from drumline_protocol.running import current

#: says whether a process makes spans (`drumline_transport.spans`): one of these two words
VARIABLE_OF_SPANS = "DRUMLINE_OTEL"
ON, OFF = "on", "off"

#: `traceparent` and `tracestate`
TraceContext = tuple[str, str]
NO_TRACE: TraceContext = ("", "")

#: of version 00, to which all others add
_CHARS = 55
#: of a header of a later version
_CHARS_MAX = 512
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")

#: what came along with the request that the calling code answers
arrived: ContextVar[TraceContext] = ContextVar("drumline_trace_context", default=NO_TRACE)


def checked(traceparent: str, tracestate: str = "") -> TraceContext:
    """The same, in the form of version 00; empty for what is no context of a trace."""
    if not _CHARS <= len(traceparent) <= _CHARS_MAX or not traceparent.isascii():
        return NO_TRACE
    begin, rest = traceparent[:_CHARS], traceparent[_CHARS:]
    if _PARENT.fullmatch(begin) is None or (rest and (begin.startswith("00") or rest[0] != "-")):
        return NO_TRACE
    return "00" + begin[2:], tracestate if _STATE.fullmatch(tracestate) else ""


def as_texts(span: Any) -> TraceContext:
    """The context of one of OpenTelemetry's spans; empty if it has none."""
    found = span.get_span_context()
    if not found.is_valid:
        return NO_TRACE
    return checked(
        f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags & 0xFF:02x}", found.trace_state.to_header()
    )


def trace_here() -> TraceContext:
    """The context of the calling code: that of its span, or of the request that it answers, or of its task's run.

    OpenTelemetry is asked only if somebody has loaded it.
    """
    trace = loaded("opentelemetry.trace")
    if trace is not None:
        try:
            found = as_texts(trace.get_current_span())
        except Exception:  # a span of somebody's own make: no reason not to run
            found = NO_TRACE
        if found[0]:
            return found
    given = arrived.get()
    if given[0]:
        return given
    task = current.get()
    return NO_TRACE if task is None else (task.job.shared.traceparent, task.job.shared.tracestate)
