"""The files of the page, as they lie beside this module: read once, named by nothing but their names."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

INDEX = "index.html"

_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile(NamedTuple):
    """One file: what it holds, its media type, and an entity tag that changes with what it holds."""

    data: bytes
    media_type: str
    etag: str


@cache
def page_files() -> dict[str, PageFile]:
    """The files by name. There are no others: a request is a look into this dict, and reads no path."""
    found = {}
    for path in sorted(_FOLDER.iterdir()):
        media_type = _TYPES.get(path.suffix)
        if media_type is not None:
            data = path.read_bytes()
            found[path.name] = PageFile(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:20]}"')
    return found
