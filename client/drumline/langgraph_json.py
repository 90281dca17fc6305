"""`langgraph.json`: the graphs of a LangGraph project, and what they need around them.

Honoured: `graphs` (a place, or an object with `path`), `env` (a file or an object), `dependencies` as far as they are
folders, `index` and `ttl` of `store`, `ttl` of `checkpointer`, `path` of `auth` (by the gateway). LangGraph's tools
build an image and a server from the rest: that is told by name, once, when it is loaded.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from drumline.retention_text import rules_of_ttl
from drumline.settings import UsageError
from drumline_protocol.retention import Retention

log = logging.getLogger("drumline.apps")

FILE = "langgraph.json"
_FORM = '{"graphs": {"name": "./file.py:graph"}}'
_IMAGE = "drumline builds no image"
_SERVER = "drumline runs no HTTP server"
_CODEC = "drumline keeps threads with its own codec, in the cluster's Redis"
#: keys that change nothing here, and why; what stands for nothing (`[]`, null) is not told
_PASSED_OVER = {
    "encryption": _CODEC,
    "http": _SERVER,
    "webhooks": _SERVER,
    "ui": _SERVER,
    "ui_config": _SERVER,
    "api_version": _SERVER,
    "base_image": _IMAGE,
    "image_distro": _IMAGE,
    "dockerfile_lines": _IMAGE,
    "pip_config_file": _IMAGE,
    "pip_installer": _IMAGE,
    "keep_pkg_tools": _IMAGE,
    "node_version": "drumline runs Python only",
}
_HONOURED = {"$schema", "graphs", "env", "dependencies", "python_version", "store", "checkpointer", "auth"}
#: what `store` may hold
_STORE = ("index", "ttl")
#: the name in front of a requirement, as in `langchain-openai>=1`
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(slots=True)
class Project:
    """What one langgraph.json asks for. `graphs`: places by name; `told`: lines about what is not honoured."""

    path: Path
    graphs: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    #: `index` and `ttl` of the cluster's store
    store: dict[str, Any] = field(default_factory=dict)
    #: what is kept of threads, and milliseconds between two looks at them: of `checkpointer`
    retention: Retention | None = None
    retention_sweep_ms: int | None = None
    #: where the `Auth` object of langgraph_sdk is that the gateway asks, as `./file.py:auth`
    auth: str = ""

    def prepare(self, environment: MutableMapping[str, str] | None = None) -> None:
        """Put `env` into the environment, where what is there already stays, and `dependencies` on the module path."""
        environment = os.environ if environment is None else environment
        for name, value in self.env.items():
            environment.setdefault(name, value)
        new = [str(folder) for folder in self.folders if str(folder) not in sys.path]
        sys.path[:0] = new

    def tell(self) -> None:
        """Log what is not honoured, one line for each."""
        for line in self.told:
            log.warning("%s: %s", self.path.name, line)


def read_project(folder: Path | None = None) -> Project | None:
    """The langgraph.json of `folder` (default: here); None if there is none. UsageError says what is wrong in it."""
    folder = folder or Path.cwd()
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}. It needs {_FORM}") from None
    if not isinstance(said, dict):
        raise UsageError(f"{path} is a JSON {type(said).__name__}, and must be an object: {_FORM}")
    project = Project(path, _graphs(path, said.get("graphs")))
    project.env = _env(path, said.get("env"))
    _read_dependencies(project, said.get("dependencies"))
    _read_store(project, said.get("store"))
    _read_checkpointer(project, said.get("checkpointer"))
    _read_auth(project, said.get("auth"))
    wanted, here = said.get("python_version"), f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted and str(wanted) != here:
        project.told.append(f"python_version is {wanted}, and this is Python {here}")
    for key, value in said.items():
        if key not in _HONOURED and value not in (None, "", [], {}, False):
            reason = _PASSED_OVER.get(key, "drumline knows no such key")
            project.told.append(f"{key!r} is not honoured: {reason}")
    return project


def _graphs(path: Path, graphs: Any) -> dict[str, str]:
    if not isinstance(graphs, Mapping) or not graphs:
        raise UsageError(f"{path} names no graphs: it needs {_FORM}")
    found: dict[str, str] = {}
    for name, place in graphs.items():
        where = place.get("path") if isinstance(place, Mapping) else place
        if not isinstance(where, str) or not where:
            raise UsageError(
                f'{path}: graph {name!r} is {place!r}, and must be "./file.py:graph" or {{"path": "./file.py:graph"}}'
            )
        if re.search(r"\.[cm]?[jt]sx?(:|$)", where):
            raise UsageError(f"{path}: graph {name!r} is JavaScript ({where}), and drumline runs Python only")
        found[name] = where
    return found


def _env(path: Path, env: Any) -> dict[str, str]:
    """Variables that an object lists, or that a file of `NAME=value` lines holds."""
    if env is None or env == "":
        return {}
    if isinstance(env, Mapping):
        bad = [name for name, value in env.items() if not isinstance(value, (str, int, float))]
        if bad:
            raise UsageError(f"{path}: env {bad[0]!r} is {env[bad[0]]!r}, and must be a text")
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in env.items()}
    if not isinstance(env, str):
        raise UsageError(f"{path}: env is {env!r}, and must be a path or an object of texts")
    file = path.parent / env
    if not file.is_file():
        raise UsageError(f"{path}: env names {env!r}, and there is no file {file}")
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value is not None}


def _read_dependencies(project: Project, dependencies: Any) -> None:
    if dependencies is None:
        return
    if not isinstance(dependencies, list) or not all(isinstance(entry, str) for entry in dependencies):
        raise UsageError(f"{project.path}: dependencies is {dependencies!r}, and must be a list of texts")
    for entry in dependencies:
        if entry.startswith((".", "/")):
            folder = (project.path.parent / entry).resolve()
            if not folder.is_dir():
                raise UsageError(f"{project.path}: dependencies names {entry!r}, and there is no folder {folder}")
            source = folder / "src"
            # the layout of a package that would be installed: its modules lie one folder deeper
            project.folders += [folder, *([source] if source.is_dir() else [])]
        elif not _installed(entry):
            project.told.append(f"dependency {entry!r} is not installed here, and drumline installs nothing")


def _read_store(project: Project, store: Any) -> None:
    """`index` and `ttl` of the store; another key is told."""
    if store is None:
        return
    if not isinstance(store, Mapping) or not all(isinstance(store.get(key) or {}, Mapping) for key in _STORE):
        raise UsageError(f'{project.path}: store is {store!r}, and must be {{"index": {{...}}, "ttl": {{...}}}}')
    for key in store:
        if key not in _STORE:
            project.told.append(f"store.{key} is not honoured: name a store of your own with --store")
    project.store = {key: dict(store[key]) for key in _STORE if store.get(key)}


def _read_checkpointer(project: Project, checkpointer: Any) -> None:
    """`ttl` of the checkpointer; another key is told."""
    if not checkpointer:
        return
    if not isinstance(checkpointer, Mapping):
        raise UsageError(f'{project.path}: checkpointer is {checkpointer!r}, and must be {{"ttl": {{...}}}}')
    for key, value in checkpointer.items():
        if key != "ttl" and value not in (None, "", [], {}, False):
            project.told.append(f"checkpointer.{key} is not honoured: {_CODEC}")
    if checkpointer.get("ttl"):
        try:
            project.retention, project.retention_sweep_ms = rules_of_ttl(checkpointer["ttl"])
        except ValueError as error:
            raise UsageError(f"{project.path}: checkpointer.ttl: {error}") from None


def _read_auth(project: Project, auth: Any) -> None:
    """`path` of the object that says who may do what; another key is told."""
    if not auth:
        return
    path = auth.get("path") if isinstance(auth, Mapping) else None
    if not isinstance(path, str) or ":" not in path:
        raise UsageError(f'{project.path}: auth is {auth!r}, and must be {{"path": "./file.py:auth"}}')
    for key, value in auth.items():
        if key != "path" and value not in (None, "", [], {}, False):
            project.told.append(f"auth.{key} is not honoured: only its path is")
    project.auth = path


def _installed(requirement: str) -> bool:
    """Whether the package that a requirement names is there; a URL is taken at its word."""
    name = _PACKAGE.match(requirement)
    if name is None or "://" in requirement:
        return True
    try:
        metadata.distribution(name[0])
    except metadata.PackageNotFoundError:
        return False
    return True
