"""Graphs that carry values of every kind: `--app tests.cluster.values_app:GRAPHS`."""

from __future__ import annotations

from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.value_kinds import carrying

GRAPHS = {"carrying": carrying(DRUMLINE), "their_carrying": carrying(LANGGRAPH)}
