"""deploy/monitoring: every rule and panel asks for numbers that drumline tells, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drumline.metrics.names import BY_NAME, FAMILIES, KNOWN, OWNER_STATES

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
#: what a histogram is read by
_ENDINGS = ("_bucket", "_sum", "_count")
_VALUES = {**KNOWN, "owner_state": OWNER_STATES}


def _alerts() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: alerts.yaml was NOT looked at")
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return loaded


def _expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in _alerts())
    yield from (target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"])


def _family(name: str) -> Any:
    base = next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), name)
    family = BY_NAME[name] if name in BY_NAME else BY_NAME[base]
    assert (family.kind == "histogram") == (name not in BY_NAME), f"{name}: a histogram is read by its buckets"
    return family


def test_expressions_name_numbers_and_labels_of_the_code() -> None:
    for expression in _expressions():
        found = re.findall(r"(drumline_\w+)(?:\{([^}]*)\})?", expression)
        assert found and expression.count("(") == expression.count(")"), expression
        families = [_family(name) for name, _ in found]
        for family, (_, selectors) in zip(families, found, strict=True):
            for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selectors):
                assert label in family.labels, expression
                assert set(values.split("|")) <= set(_VALUES.get(label, values.split("|"))), expression
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            for label in labels.replace(" ", "").split(","):
                assert label == "le" or all(label in family.labels for family in families), expression


def test_counters_are_read_as_rates_and_gauges_of_the_exporter_by_their_maximum() -> None:
    for expression in _expressions():
        for name in re.findall(r"drumline_\w+", expression):
            before = expression[: expression.index(name)]
            if _family(name).kind != "gauge":
                assert before.endswith(("rate(", "increase(")), expression
            elif _family(name).by == "exporter":  # a second exporter must not double them
                assert re.search(r"(max|min|absent|delta)(?: by \([^)]*\))? ?\($", before), expression


def test_texts_of_alerts_name_labels_that_are_left() -> None:
    for rule in _alerts():
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        left = {label for labels in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in labels.split(", ")}
        assert named <= left, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_a_dashboard_shows_every_number() -> None:
    told = "\n".join(target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"])
    assert [family.name for family in FAMILIES if family.name not in told] == []
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_the_table_of_numbers_is_that_of_the_code() -> None:
    lines = PAGE[PAGE.index("| number |") :].split("\n\n", 1)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = [(row[0].strip("`"), row[1], row[2], tuple(re.findall(r"`(\w+)`", row[3])), row[4]) for row in rows]
    assert told == [(f.name, f.kind, f.by, f.labels, f.help) for f in FAMILIES]


def test_every_alert_says_on_the_page_what_to_do() -> None:
    for rule in _alerts():
        assert f"| {rule['alert']} |" in PAGE
