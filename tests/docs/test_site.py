"""The site of `make docs` has all pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def test_each_page_has_its_place_in_the_site() -> None:
    def pages(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        return [page for each in (part.values() if isinstance(part, dict) else part) for page in pages(each)]

    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    there = {page.name for page in (ROOT / "docs").glob("*.md")} | {"index.md", "decisions/README.md"}
    assert sorted(listed) == sorted(there)
