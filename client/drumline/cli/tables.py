"""Tables for people, on a terminal or in a pipe."""

from __future__ import annotations

import sys
from typing import Any

#: columns of a line that goes to a pipe: nothing is cut off there
_PIPE_WIDTH = 240


def new_console() -> Any:
    """What tables are printed on."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def table(console: Any, title: str, rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    """Print rows under a title. `columns`: what each shows of a row, by its head."""
    from rich.table import Table
    from rich.text import Text

    console.print(f"\n[bold]{title}[/]" + ("" if rows else "  none"))
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "id"), overflow="fold")
    for row in rows:
        style = "" if row.get("alive", True) else "red"
        table.add_row(*(Text(str(cell(row)), style=style) for cell in columns.values()))
    console.print(table)


def span(seconds: float) -> str:
    """A time in a unit that people like."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
