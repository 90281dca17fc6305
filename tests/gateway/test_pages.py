"""The pages about HTTP agree with the routes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from drumline_gateway.route import FULL, Row
from drumline_gateway.routes import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "http.md"
_TABLE = re.compile(r"(?<=<!-- routes -->\n).*?(?=<!-- end of routes -->)", re.DOTALL)


def _line(row: Row) -> str:
    doc = " ".join((row.handler.__doc__ or "").split())
    note = f" ({row.note})" if row.note else ""
    built = row.built if row.built == FULL else f"**{row.built}**"
    return f"| `{row.method} {row.path}` | {doc} | {built}{note} | {' '.join(row.clients)} |\n"


def test_the_table_of_routes_is_that_of_the_code() -> None:
    """With DRUMLINE_DOCS_UPDATE=1 the table is written instead of compared."""
    head = "| endpoint | | built | clients |\n|---|---|---|---|\n"
    table = head + "".join(map(_line, ROUTES))
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("DRUMLINE_DOCS_UPDATE"):
        PAGE.write_text(_TABLE.sub(lambda _: table, text), encoding="utf-8")
        return
    found = _TABLE.search(text)
    assert found is not None and found[0] == table
