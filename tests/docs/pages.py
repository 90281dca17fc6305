"""Markdown pages whose examples are run: blocks are found here, run here, and compared with what the page shows.

A fenced block is run if its info string says so:

    python file=app.py serve=graph   written to app.py in the page's folder, importable; `serve`: graphs for the cluster
    python run                       run in the page's namespace, as one module from top to bottom
    python run cluster               the same, with a cluster (broker, coordinator, two workers) at redis://localhost:6379
    sh run cluster                   each line that begins with `$ drumline` is run; the rest is its output
    output                           what the block before it prints (with the word `unordered`: in any order of lines)

Ids and times differ from run to run: both sides are compared with ids numbered by first appearance, and times left out.
With DRUMLINE_DOCS_UPDATE=1 the output is written into the page instead of compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^( *)```(.*)$")
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?")
_MS = re.compile(r"(?<='created_ms': )\d+")


@dataclass(slots=True)
class Block:
    """One fenced block: `words` of its info string, `text` between the fences, `line` of its first line of text."""

    words: list[str]
    text: str
    line: int
    output: Block | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def runs(self) -> bool:
        return "run" in self.words

    @property
    def needs_cluster(self) -> bool:
        return "cluster" in self.words

    @property
    def unordered(self) -> bool:
        return "unordered" in self.words


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page that take part in a run, each with the output block behind it."""
    found: list[Block] = []
    for block in _fenced(page.read_text(encoding="utf-8").splitlines()):
        if block.language == "output":
            assert found, f"{page.name}:{block.line}: output of what?"
            found[-1].output = block
        elif block.runs or "file" in block.options:
            found.append(block)
    return found


def tables_of(page: Path) -> list[list[list[str]]]:
    """The tables of a page, each as rows of cells; the second row is the rule under the head."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            tables.append([])
        inside = True
        tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return tables


def _fenced(lines: list[str]) -> Iterator[Block]:
    opened: tuple[str, str, int] | None = None
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = (fence[1], fence[2].strip(), number)
        else:
            indent, info, start = opened
            opened = None
            text = "\n".join(row.removeprefix(indent) for row in lines[start : number - 1])
            words = info.split()
            options = dict(word.split("=", 1) for word in words if "=" in word)
            yield Block(words, text, start + 1, options=options)


def plain(text: str) -> str:
    """The text with what differs from run to run made equal."""
    names: dict[str, str] = {}
    text = _ID.sub(lambda match: names.setdefault(match[0], f"<id {len(names) + 1}>"), text)
    return _MS.sub("<ms>", _TIME.sub("<time>", text)).strip()


def write_outputs(page: Path, outputs: dict[int, str]) -> None:
    """Put new text into the output blocks that begin at these lines, unless it only differs by ids and times."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for start in sorted(outputs, reverse=True):
        end = start - 1
        while not lines[end].startswith("```"):
            end += 1
        if plain("\n".join(lines[start - 1 : end])) != plain(outputs[start]):
            lines[start - 1 : end] = outputs[start].rstrip().splitlines()
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
