"""How `drumline run` shows a stream in a terminal: items above, what runs now below, with bars for long work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.pretty import Pretty
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from drumline.cli.outputs import calls_of, text_of, where
from drumline.cli.progress import Progress, progress_of

Namespace = tuple[str, ...]

#: what runs now, in lines; the rest is counted
_RUNNING_MAX = 8
_BARS_MAX = 12
_BAR_WIDTH = 32
_COLOURS = {"values": "green", "updates": "cyan", "custom": "magenta", "tasks": "blue", "debug": "blue"}


class LiveOutput:
    """Prints items of the modes that were asked for. Listens to `tasks` besides, to know what runs."""

    #: what runs in subgraphs is shown even if their items are not
    needs_subgraphs = True

    def __init__(self, modes: Sequence[str], subgraphs: bool, console: Console | None = None) -> None:
        self._modes = frozenset(modes)
        self._subgraphs = subgraphs
        self.further_modes = () if "tasks" in modes else ("tasks",)
        self._console = console or Console(highlight=False)
        self._running: dict[str, tuple[str, Namespace, float, Spinner]] = {}
        # plain dicts: the refreshing thread lists them while this one changes them
        self._bars: dict[tuple[Namespace, str], Progress] = {}
        self._text = ""
        self._nodes_done = 0
        self._began = time.monotonic()
        self._live = Live(console=self._console, get_renderable=self._now, refresh_per_second=12, transient=True)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        self._end_text()
        self._live.stop()
        if kind is None:
            seconds = time.monotonic() - self._began
            told = f"{self._nodes_done} task{'' if self._nodes_done == 1 else 's'} in {seconds:.1f} s"
            self._console.print(Text.assemble(("done", "bold green"), (f"  {told}", "dim")))

    def show(self, ns: Namespace, mode: str, payload: Any) -> None:
        """Print an item, or draw what it says."""
        if mode == "tasks":
            self._note_task(ns, payload)
        if mode not in self._modes or (ns and not self._subgraphs):
            return
        if mode == "messages":
            self._add_text(text_of(payload))
            for call in calls_of(payload):
                self._end_text()
                self._print(f"{mode}{where(ns)}", "yellow", Text(call))
            return
        progress = progress_of(payload) if mode == "custom" else None
        if progress is not None:
            self._note_progress(ns, progress)
            if not progress.rest:
                return
            payload = progress.rest
        self._end_text()
        self._print(f"{mode}{where(ns)}", _COLOURS.get(mode, "white"), Pretty(payload, no_wrap=False))

    # -- what runs now ------------------------------------------------------------------------------

    def _note_task(self, ns: Namespace, payload: dict[str, Any]) -> None:
        task = payload["id"]
        if "input" in payload:
            self._running[task] = (payload["name"], ns, time.monotonic(), Spinner("dots"))
        elif self._running.pop(task, None) is not None:
            self._nodes_done += 1
            self._drop_bars()

    def _drop_bars(self) -> None:
        """Bars of graphs in which nothing runs any more have been seen."""
        alive = {ns for _, ns, _, _ in self._running.values()}
        for key in [key for key in self._bars if key[0] not in alive]:
            del self._bars[key]

    def _note_progress(self, ns: Namespace, progress: Progress) -> None:
        key = (ns, progress.label or self._only_node(ns))
        self._bars[key] = progress
        if progress.percent >= 100:
            self._bars.pop(key)
            self._end_text()
            told = "  ".join(part for part in (key[1], progress.text) if part)
            self._print(f"100%{where(ns)}", "green", Text(told))

    def _only_node(self, ns: Namespace) -> str:
        names = {name for name, where_, _, _ in self._running.values() if where_ == ns}
        return names.pop() if len(names) == 1 else ""

    def _now(self) -> RenderableType:
        lines: list[RenderableType] = []
        if self._text:
            lines.append(Text(self._text.rpartition("\n")[2]))
        if self._bars:
            lines.append(_bar_table(list(self._bars.items())[-_BARS_MAX:]))
        now = time.monotonic()
        running = list(self._running.values())
        for name, ns, since, spinner in running[:_RUNNING_MAX]:
            spinner.update(text=Text.assemble((name, "bold"), where(ns), (f"  {now - since:.1f} s", "dim")))
            lines.append(spinner)
        if len(running) > _RUNNING_MAX:
            lines.append(Text(f"  and {len(running) - _RUNNING_MAX} more", style="dim"))
        return Group(*lines)

    # -- lines --------------------------------------------------------------------------------------

    def _print(self, head: str, colour: str, body: RenderableType) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(no_wrap=True, min_width=8)
        row.add_column(overflow="fold")
        row.add_row(Text(head, style=f"bold {colour}"), body)
        self._console.print(row)

    def _add_text(self, text: str) -> None:
        """Tokens: whole lines are printed, the last one grows below."""
        self._text += text
        *whole, self._text = self._text.split("\n")
        for line in whole:
            self._console.print(Text(line))

    def _end_text(self) -> None:
        if self._text:
            text, self._text = self._text, ""
            self._console.print(Text(text))


def _bar_table(bars: list[tuple[tuple[Namespace, str], Progress]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for (ns, label), progress in bars:
        table.add_row(
            Text(f"{label}{where(ns)}".strip() or "progress", style="bold"),
            ProgressBar(total=100, completed=progress.percent, width=_BAR_WIDTH),
            Text(f"{progress.percent:3.0f}%"),
            Text(progress.text, style="dim"),
        )
    return table
