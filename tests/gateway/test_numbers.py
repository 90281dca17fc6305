"""What a gateway tells Prometheus: by routes and not by ids, at its own address, and to whom."""

from __future__ import annotations

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.gateway.stand import talk

from drumline.metrics.names import FAMILIES
from drumline_gateway.app import build
from drumline_gateway.auth import Guard
from drumline_gateway.embedded_service import EmbeddedService

BODY = {"assistant_id": "speak", "input": {"said": ["x"]}}


def client(guard: Guard | None = None) -> TestClient:
    graphs = talk()
    return TestClient(build(EmbeddedService({"speak": graphs["speak"].program}), guard=guard or Guard()))


def numbers(text: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and its labels' values, as Prometheus's own parser reads it."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value for sample in samples}


def test_requests_are_counted_by_route() -> None:
    with client() as http:
        thread = http.post("/threads", json={}).json()["thread_id"]
        for _ in range(2):
            assert http.get(f"/threads/{thread}").status_code == 200
        assert http.get("/threads/nobody").status_code == 404
        assert http.get("/wp-login.php").status_code == 404
        assert http.request("BREW", "/threads").status_code == 405
        assert "event: end" in http.post("/runs/stream", json=BODY).text
        answer = http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    told = numbers(answer.text)
    requests = "drumline_http_requests_total"
    assert told[requests, "200", "GET", "/threads/{thread_id}"] == 2
    assert told[requests, "404", "GET", "/threads/{thread_id}"] == 1
    assert told[requests, "404", "unknown", "unknown"] == told[requests, "405", "unknown", "unknown"] == 1
    assert told["drumline_http_request_duration_seconds_count", "/threads/{thread_id}"] == 3
    assert told["drumline_http_request_duration_seconds_count", "/runs/stream"] == 1
    assert told["drumline_streams_open",] == told["drumline_stream_gaps_total",] == 0
    assert thread not in answer.text and "wp-login" not in answer.text and "BREW" not in answer.text
    for family in FAMILIES:
        assert (f"# TYPE {family.name.removesuffix('_total')}" in answer.text) == (family.by == "gateway"), family


def test_numbers_are_for_who_may_see_everything() -> None:
    key = {"x-api-key": "the-only-key"}
    with client(Guard({"the-only-key": ""})) as http:
        assert [http.get("/metrics").status_code, http.get("/metrics", headers=key).status_code] == [401, 200]
    with client(Guard({"the-only-key": "ann"})) as http:
        refused = http.get("/metrics", headers=key)
        assert refused.status_code == 403 and "--metrics-port" in refused.json()["detail"]


def test_without_the_library_a_gateway_serves_all_but_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with client() as http:
        assert "event: end" in http.post("/runs/stream", json=BODY).text
        answer = http.get("/metrics")
    assert answer.status_code == 501 and 'pip install "drumline[metrics]"' in answer.json()["detail"]
