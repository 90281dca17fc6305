"""What mkdocs does beside rendering the pages of docs/: see mkdocs.yml. Not a part of any package.

- README.md is the home page.
- Each public module has a page of reference, made of its docstrings by mkdocstrings.
- A link to a file outside of docs/ leads to the repository.
- The words that say how the tests run a block are left out.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
#: the modules that users import, in the order of the reference
MODULES = (
    "drumline",
    "drumline.graph",
    "drumline.types",
    "drumline.func",
    "drumline.config",
    "drumline.runtime",
    "drumline.channels",
    "drumline.managed",
    "drumline.messages",
    "drumline.prebuilt",
    "drumline.checkpoint.memory",
    "drumline.checkpoint.sqlite",
    "drumline.checkpoint.sqlite.aio",
    "drumline.retention",
    "drumline.store.memory",
    "drumline.store.sqlite",
    "drumline.store.redis",
    "drumline.cache.memory",
    "drumline.cache.sqlite",
    "drumline.cache.redis",
    "drumline.gateway",
    "drumline.langgraph",
    "drumline.testing",
    "drumline.errors",
    "drumline.warnings",
)
_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
_INFO = re.compile(r"^( *```)(\w+)[ \t]+[^`\n]*$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """The reference stands behind the pages."""
    config["nav"].append({"Reference": [{name: _page_of(name)} for name in MODULES]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the home page and the pages of the reference."""
    files.append(File.generated(config, "index.md", content=_home()))
    for name in MODULES:
        files.append(File.generated(config, _page_of(name), content=_reference(name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links that leave docs/, and info strings of code."""
    folder = PurePosixPath(page.file.src_uri).parent
    repository = f"{config['repo_url'].rstrip('/')}/blob/main/"

    def lead(match: re.Match[str]) -> str:
        target = match[1]
        if re.match(r"[a-z]+:|#|/", target):
            return match[0]
        path, hash_, anchor = target.partition("#")
        inside = _normal(PurePosixPath("docs", folder, path))
        if inside.parts[:1] == ("docs",) and not (ROOT / inside).is_dir():
            return match[0]
        return f"]({repository}{inside}{hash_}{anchor})"

    return _INFO.sub(r"\1\2", _LINK.sub(lead, markdown))


def _normal(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)


def _home() -> str:
    """README.md, seen from docs/."""

    def lead(match: re.Match[str]) -> str:
        target = match[1]
        if re.match(r"[a-z]+:|#|/", target):
            return match[0]
        return f"]({target.removeprefix('docs/')})" if target.startswith("docs/") else f"](../{target})"

    return _LINK.sub(lead, (ROOT / "README.md").read_text(encoding="utf-8"))


def _page_of(name: str) -> str:
    return f"reference/{name}.md"


def _reference(name: str) -> str:
    module = importlib.import_module(name)
    lines = [f"# {name}", "", inspect.getdoc(module) or "", ""]
    for member in _public(module):
        lines += [f"::: {_home_of(module, member)}", ""]
    return "\n".join(lines)


def _public(module: ModuleType) -> list[str]:
    named = getattr(module, "__all__", None)
    if named is None:  # a module of errors: what else it imports is no part of it
        named = [
            name for name, value in vars(module).items() if inspect.isclass(value) and issubclass(value, Exception)
        ]
    return [name for name in named if name != "__version__" and _is_told(getattr(module, name))]


def _is_told(value: Any) -> bool:
    """Whether it is a class or function of ours, with a docstring."""
    ours = (getattr(value, "__module__", None) or "").startswith("drumline")
    return ours and (inspect.isclass(value) or inspect.isroutine(value)) and bool(inspect.getdoc(value))


def _home_of(module: ModuleType, name: str) -> str:
    """Where it is defined: under that name mkdocstrings finds it."""
    value = getattr(module, name)
    return f"{value.__module__}.{value.__qualname__}"
