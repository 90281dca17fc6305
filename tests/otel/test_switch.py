"""Who asks for spans, and that nobody else imports OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from tests.metrics.test_counts import GRAPHS
from tests.otel.told import PARENT

from drumline.cli.main import main
from drumline.embedded.run_span import run_span
from drumline_protocol.trace_context import NO_TRACE, checked
from drumline_transport import spans

APP = textwrap.dedent(
    """
    import sys
    from typing import TypedDict
    from drumline.graph import START, StateGraph

    class State(TypedDict, total=False):
        n: int

    def node(state):
        return {"n": 1}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile(name="g")
    assert graph.invoke({}) == {"n": 1}
    print("opentelemetry.trace" in sys.modules)
    """
)


@pytest.mark.parametrize(("word", "imported"), [(None, "False"), ("on", "True"), ("off", "False")])
def test_nobody_imports_it_unasked(word: str | None, imported: str, tmp_path: Path) -> None:
    env = {} if word is None else {"DRUMLINE_OTEL": word}
    done = subprocess.run(
        [sys.executable, "-c", APP], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [imported]


@pytest.mark.usefixtures("told")
def test_off_is_off_though_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spans.tracer_asked_for() is not None
    monkeypatch.setenv("DRUMLINE_OTEL", "off")
    assert spans.tracer_asked_for() is None
    monkeypatch.setattr(spans, "_asked", "on")
    assert spans.tracer_asked_for() is not None


def test_without_the_api_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    monkeypatch.setattr(spans, "_asked", None)
    given = ["worker", "app:graph", "--broker", "redis://127.0.0.1:1", "--otel", "on"]
    assert main(given) == 1
    assert 'pip install "drumline[otel]"' in capsys.readouterr().err


@pytest.mark.parametrize("provider", [trace.ProxyTracerProvider(), trace.NoOpTracerProvider()])
def test_where_no_sdk_is_there_is_nothing_to_pay(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setenv("DRUMLINE_OTEL", "on")
    assert spans.tracer_asked_for() is None
    assert run_span(GRAPHS["good"].program, "run", {}) is None


@given(st.text(max_size=600) | st.just(PARENT), st.text(max_size=600))
def test_a_context_is_sound_or_none(traceparent: str, tracestate: str) -> None:
    for text in (traceparent, PARENT + traceparent, PARENT[:20] + traceparent[:1] + PARENT[21:]):
        found = checked(text, tracestate)
        assert found == NO_TRACE or (len(found[0]) == 55 and found[0].isascii() and len(found[1]) <= 512)
        assert found == NO_TRACE or checked(*found) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PARENT, PARENT),
        ("cc" + PARENT[2:] + "-what a later version says", PARENT),
        (PARENT + "-more", ""),
        ("ff" + PARENT[2:], ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", ""),
        (PARENT + "\n", ""),
    ],
)
def test_contexts(text: str, found: str) -> None:
    assert checked(text)[0] == found
