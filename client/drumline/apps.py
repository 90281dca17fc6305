"""Load the graphs that a process serves: `[NAME=]module:attribute` or `[NAME=]path.py:attribute`.

Coordinator and worker call `load_programs`. Bytes that name a graph never come from the wire: a process serves what its
own command line, `pyproject.toml` or `langgraph.json` names, and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from drumline.factories import NotAFactory, make
from drumline.langgraph import adapt, is_langgraph
from drumline.langgraph_json import read_project
from drumline_graph.errors import DrumlineError
from drumline_graph.program import Program

#: a name may hold blanks, but nothing that a path or a module may begin with
_NAMED = re.compile(r"(?P<name>[^/\\:=]+)=(?P<place>.+)", re.DOTALL)
#: what an app's own code may end with; a script without a `__main__` guard calls sys.exit()
_ITS_ERRORS = (Exception, SystemExit)
#: held while a file runs as a module: another thread that loads it too waits, and does not get a half of it
_importing = threading.RLock()
_FORM = "An app is [NAME=]module:attribute or [NAME=]path.py:attribute, for example app.py:graph."


class AppNotFound(DrumlineError):
    """What `--app` names cannot be served: no such module, file or attribute, or it is no graph.

    Nor can a graph of LangGraph with a part that drumline does not run, or in a version that it was not tested with.

    The text says what was looked for, where, and what is there instead. An app is `[NAME=]module:attribute` (found from
    the current folder and PYTHONPATH) or `[NAME=]path.py:attribute`; the attribute is a compiled graph (drumline's, or
    LangGraph's own), a mapping of names to graphs, or a function, async or not, that returns one of these and takes
    nothing or a config.
    """


class AppFailed(DrumlineError):
    """The app's own code raised while it was imported or called. `user_traceback` shows where, `__cause__` is what."""

    def __init__(self, spec: str, error: BaseException) -> None:
        super().__init__(f"app {spec!r} failed while it was loaded: {type(error).__name__}: {error}")
        self.spec = spec
        self.user_traceback = _user_traceback(error)


@dataclass(slots=True)
class App:
    """One parsed `--app`. `name` is None if it was not given; `module` is a dotted name, or `path` a file."""

    spec: str
    name: str | None
    module: str
    path: Path | None
    attribute: str


def parse_app(spec: str, folder: Path | None = None) -> App:
    """Read `[NAME=]module:attribute` or `[NAME=]path.py:attribute`; paths are relative to `folder` (default: here).

    AppNotFound for text of another form.
    """
    named = _NAMED.fullmatch(spec)
    name, place = (named["name"].strip() or None, named["place"]) if named else (None, spec)
    return app_at(spec, name, place, folder)


def app_at(spec: str, name: str | None, place: str, folder: Path | None = None) -> App:
    """The app at `module:attribute` or `path.py:attribute`, under any name; `spec` is how errors call it."""
    where, colon, attribute = place.rpartition(":")
    if not colon and place:
        where, attribute = place, ""
    is_file = where.endswith(".py") or "/" in where or os.sep in where
    if not where or (colon and not attribute):
        raise AppNotFound(f"{spec!r} names no app. {_FORM}")
    if is_file:
        path = (folder or Path.cwd()) / Path(where).expanduser()
        return App(spec, name, "", path, attribute)
    if not all(part.isidentifier() for part in where.split(".")):
        raise AppNotFound(f"{spec!r} names no app: {where!r} is neither a module nor a .py file. {_FORM}")
    return App(spec, name, where, None, attribute)


def load_programs(
    specs: Sequence[str | App], *, version: str | None = None, folder: Path | None = None
) -> dict[str, Program]:
    """The programs that `specs` name, by the name under which they are served.

    Without `specs`, those of the `langgraph.json` in `folder` (default: here). `version` becomes a part of every
    fingerprint. Raises AppNotFound, AppFailed for an exception of the app's code, UsageError for a broken file.
    """
    folder = folder or Path.cwd()
    specs = specs or langgraph_apps(folder)
    if not specs:
        raise AppNotFound(
            'no app is named. Give --app app.py:graph, or put `apps = ["app.py:graph"]` under [tool.drumline] in '
            f"{folder / 'pyproject.toml'}, or a langgraph.json beside it."
        )
    _look_in(folder)
    found: dict[str, Program] = {}
    owner: dict[str, str] = {}
    for spec in specs:
        app = parse_app(spec, folder) if isinstance(spec, str) else spec
        for name, program in _programs_of(app):
            if name in found:
                raise AppNotFound(
                    f"{owner[name]!r} and {app.spec!r} are both named {name!r}: give one another name, NAME={app.spec}"
                )
            found[name] = program if version is None else replace(program, version=version)
            owner[name] = app.spec
    return found


def load_object(spec: str, folder: Path | None = None) -> Any:
    """What `module:attribute` or `path.py:attribute` names, whatever it is. AppNotFound, AppFailed."""
    app = parse_app(spec, folder)
    _look_in(folder or Path.cwd())
    return _attribute_of(app, _module_of(app))


def langgraph_apps(folder: Path | None = None) -> list[App]:
    """The graphs that `langgraph.json` in `folder` names ([] without one), its environment and module path prepared.

    Logs what is not honoured. UsageError if the file is broken.
    """
    project = read_project(folder)
    if project is None:
        return []
    project.tell()
    project.prepare()
    return [app_at(f"{name}={place}", name, place, project.path.parent) for name, place in project.graphs.items()]


# -- from a spec to graphs --------------------------------------------------------------------------


def _programs_of(app: App) -> Iterable[tuple[str, Program]]:
    module = _module_of(app)
    value = _attribute_of(app, module)
    value = _called(app, value)
    if isinstance(value, Mapping):
        if not value:
            raise AppNotFound(f"{app.spec!r} is a mapping without graphs: nothing could be served")
        if app.name is not None:
            raise AppNotFound(
                f"{app.spec!r} gives one name to a mapping of {len(value)} graphs: leave `{app.name}=` out, they are "
                "named by their keys"
            )
        return [(str(name), _program(app, _value_at(app, value, name), f"[{name!r}]")) for name in value]
    return [(app.name or app.attribute.rpartition(".")[2], _program(app, value, ""))]


def _value_at(app: App, graphs: Mapping[Any, Any], name: Any) -> Any:
    try:
        return graphs[name]
    except _ITS_ERRORS as error:  # a lazy mapping builds its graphs here
        raise AppFailed(app.spec, error) from error


def _called(app: App, value: Any) -> Any:
    """What a function makes that is called without arguments, or with a config; anything else as it is."""
    if isinstance(value, Mapping) or _is_app(value) or isinstance(value, type) or not callable(value):
        return value
    if not inspect.isroutine(value):
        return value
    try:
        return make(value, app.spec)
    except NotAFactory as needed:
        raise AppNotFound(
            f"{app.spec!r} is a function that needs arguments ({needed}): an app is a compiled graph, or a function "
            "that returns one and takes nothing, or a config"
        ) from None
    except _ITS_ERRORS as error:
        raise AppFailed(app.spec, error) from error


def _program(app: App, value: Any, at: str) -> Program:
    program = getattr(value, "program", None)
    if isinstance(program, Program):
        return program
    if is_langgraph(value):
        try:
            return adapt(value).program
        except DrumlineError as error:
            raise AppNotFound(f"{app.spec!r}{at} cannot be served: {error}") from error
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if callable(getattr(value, "compile", None)):
        advice = "it is not compiled yet: add .compile()"
    else:
        advice = "an app is what StateGraph(...).compile() returns, or a mapping of names to such graphs"
    raise AppNotFound(f"{app.spec!r}{at} is a {kind}, not a compiled graph: {advice}")


def _attribute_of(app: App, module: ModuleType) -> Any:
    value: Any = module
    for part in app.attribute.split(".") if app.attribute else ("",):
        try:
            value = getattr(value, part)
        except AttributeError:
            graphs = [name for name, item in vars(module).items() if _is_app(item)]
            what = f"has no attribute {app.attribute!r}" if app.attribute else "is named without an attribute"
            there = f"Its graphs are: {', '.join(sorted(graphs))}" if graphs else "There is no graph in it"
            place = f"{module.__name__} ({module.__file__})"
            example = f", as in {app.spec.rpartition(':')[0] or app.spec}:{graphs[0]}" if graphs else ""
            raise AppNotFound(f"{place} {what}. {there}{example}.") from None
        except _ITS_ERRORS as error:  # a module's own __getattr__
            raise AppFailed(app.spec, error) from error
    return value


def _is_app(value: Any) -> bool:
    if isinstance(value, dict) and value:
        return all(_is_app(item) for item in value.values())
    if isinstance(value, type):
        return False
    return isinstance(getattr(value, "program", None), Program) or is_langgraph(value)


# -- importing --------------------------------------------------------------------------------------


def _look_in(folder: Path) -> None:
    """Modules are found from this folder, as with `python -m`."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _module_of(app: App) -> ModuleType:
    if app.path is not None:
        with _importing:
            return _import_file(app, app.path)
    try:
        return importlib.import_module(app.module)
    except ModuleNotFoundError as error:
        if error.name is not None and (app.module == error.name or app.module.startswith(error.name + ".")):
            raise AppNotFound(
                f"there is no module {error.name!r} for app {app.spec!r}. Looked in the current folder ({Path.cwd()}), "
                "PYTHONPATH and the installed packages; a file is named by its path, as in ./app.py:graph."
            ) from None
        raise AppFailed(app.spec, error) from error
    except _ITS_ERRORS as error:
        raise AppFailed(app.spec, error) from error


def _import_file(app: App, path: Path) -> ModuleType:
    """Import a file under a name that is the same in every process: classes are known by it on the wire.

    The name is the file's stem; in a package (folders with `__init__.py`), its dotted name.
    """
    path = path.resolve()
    if not path.is_file():
        beside = sorted(item.name for item in path.parent.glob("*.py"))[:20] if path.parent.is_dir() else None
        if beside is None:
            there = f"There is no folder {path.parent}"
        else:
            there = f"That folder holds {', '.join(beside)}" if beside else "That folder holds no .py file"
        raise AppNotFound(f"there is no file {path} for app {app.spec!r}. {there}.")
    name, top = path.stem, path.parent
    while (top / "__init__.py").is_file():
        name, top = f"{top.name}.{name}", top.parent
    known = sys.modules.get(name)
    if known is not None:
        if _file_of(known) == path:
            return known
        raise AppNotFound(
            f"app {app.spec!r} would be imported as {name!r}, which is {_file_of(known) or 'built into Python'} "
            "already. Rename the file, or name it as a module of a package, as in mypackage.app:graph."
        )
    _look_in(top)
    if top != path.parent:
        return _module_of(replace(app, module=name, path=None))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AppNotFound(f"{path} is no Python file. {_FORM}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except _ITS_ERRORS as error:
        del sys.modules[name]
        raise AppFailed(app.spec, error) from error
    return module


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file).resolve()


# -- the traceback that a user wants ----------------------------------------------------------------


def _user_traceback(error: BaseException) -> str:
    """The traceback from the app's first frame on: no frame of ours, nor of the import machinery, before it."""
    tb = error.__traceback__
    while tb is not None and _is_machinery(tb):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb)).rstrip()


def _is_machinery(tb: TracebackType) -> bool:
    file = tb.tb_frame.f_code.co_filename
    return file == __file__ or file.startswith("<frozen importlib") or file == importlib.__file__
