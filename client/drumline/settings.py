"""Where a setting comes from when no option gives it: the environment, a `drumline up` in this folder, pyproject.toml.

| setting | option | environment | `[tool.drumline]` |
|---|---|---|---|
| graphs | `--app` | `DRUMLINE_APP` (spaces between) | `apps = ["app.py:graph"]`, else `graphs` of langgraph.json |
| broker | `--broker` | `DRUMLINE_BROKER` | `broker = "redis://..."` |
| key prefix | `--prefix` | `DRUMLINE_PREFIX` | `prefix = "drumline"` |
| partitions of a new cluster | `--partitions` | - | `partitions = 8` |
| version of the graphs | `--version` | `DRUMLINE_VERSION` | `version = "2026-11-22"` |
| pools of a worker | `--pool` | `DRUMLINE_POOL` (commas) | `pools = ["default"]` |
| tasks at once in a worker | `--concurrency` | `DRUMLINE_CONCURRENCY` | `concurrency = 8` |
| large values a worker keeps | `--cache-bytes` | `DRUMLINE_CACHE_BYTES` | `cache_bytes = 67108864` |
| store of the graphs | `--store` | `DRUMLINE_STORE` | `store = "cluster"` |
| what is kept of threads | `--retention` | `DRUMLINE_RETENTION` | `retention = "max_age=30d"`, else langgraph.json |
| name of a process | `--name` | `DRUMLINE_NAME` | - |
| what goes to stderr | `--log-level` | `DRUMLINE_LOG_LEVEL` | - |
| lines for people, or JSON | `--log-format` | `DRUMLINE_LOG_FORMAT` | - |
| where Prometheus reads its numbers | `--metrics-port` | `DRUMLINE_METRICS_PORT` | - |
| spans for OpenTelemetry | `--otel` | `DRUMLINE_OTEL` | - |

The first that is there wins, from left to right. Between the environment and the file stands `.drumline/up.json`, which
a running `drumline up` leaves in its folder: it gives broker and prefix. The command line and `Cluster()` both ask
here, so that they find the same cluster.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drumline.retention_text import retention_of
from drumline.up_file import WRITTEN_WITHIN_S, read_state
from drumline_graph.errors import DrumlineError
from drumline_protocol.keys import Keys
from drumline_protocol.log_lines import LOG_FORMATS, TEXT, VARIABLE
from drumline_protocol.retention import Retention
from drumline_protocol.trace_context import OFF, ON, VARIABLE_OF_SPANS

_LIST_OF_TEXT = "a list of strings"
#: the keys of [tool.drumline]: their types, and how an error names these
_KEYS: dict[str, tuple[type, str]] = {
    "apps": (list, _LIST_OF_TEXT),
    "broker": (str, "a string"),
    "retention": (str, "a string"),
    "prefix": (str, "a string"),
    "partitions": (int, "a number"),
    "version": (str, "a string"),
    "pools": (list, _LIST_OF_TEXT),
    "concurrency": (int, "a number"),
    "cache_bytes": (int, "a number"),
    "run_log_bytes": (int, "a number"),
    "store": (str, "a string"),
}
DEFAULT_PREFIX = "drumline"
LOG_LEVELS = ("debug", "info", "warning", "error")


class UsageError(DrumlineError, ValueError):
    """The command line, the environment or a settings file asks for something that cannot be. Exit code 2."""


def project_settings(folder: Path | None = None) -> dict[str, Any]:
    """The `[tool.drumline]` table of pyproject.toml in `folder` (default: here); {} if there is none.

    UsageError for a file that cannot be read, an unknown key or a value of another type.
    """
    path = (folder or Path.cwd()) / "pyproject.toml"
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("drumline", {})
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(f"{path}: [tool.drumline] has no key {key!r}; it has {', '.join(_KEYS)}")
        wanted, told = _KEYS[key]
        texts = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if type(value) is not wanted or not texts:
            raise UsageError(f"{path}: {key} under [tool.drumline] is {told}, not {value!r}")
    return dict(table)


def parse_place(text: str) -> tuple[str, int]:
    """`[HOST:]PORT`; without a host this machine only. ValueError."""
    host, colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535 or (colon and not host):
        raise ValueError(f"{text!r} is no [HOST:]PORT, like 9464 or 0.0.0.0:9464")
    return host.strip("[]") or "127.0.0.1", int(port)


class Settings:
    """Answers for options that were not given: `args` has an attribute for each that was, or is None.

    Files are read when first asked for.
    """

    def __init__(self, args: object = None, environment: Mapping[str, str] | None = None) -> None:
        self._args = args
        self._environment = os.environ if environment is None else environment
        self._project: dict[str, Any] | None = None

    def _given(self, option: str, variable: str | None = None, key: str | None = None) -> Any:
        value = getattr(self._args, option, None)
        if value is None and variable is not None:
            value = self._environment.get(variable) or None
        if value is None and key is not None:
            value = self.project.get(key)
        return value

    @property
    def project(self) -> dict[str, Any]:
        """`project_settings()` of the current folder."""
        if self._project is None:
            self._project = project_settings()
        return self._project

    def apps(self) -> list[str]:
        """App specs that an option, the environment or pyproject.toml names; [] if none does."""
        given = [*(getattr(self._args, "apps", None) or ()), *(getattr(self._args, "app", None) or ())]
        named = self._environment.get("DRUMLINE_APP", "").split()
        return given or named or list(self.project.get("apps", ()))

    def broker(self) -> str:
        """The broker's URL. UsageError if nobody names one."""
        url = self._given("broker", "DRUMLINE_BROKER")
        url = url or (read_state() or {}).get("broker") or self.project.get("broker")
        if not url:
            raise UsageError(
                "which broker? No `drumline up` runs in this folder. Start one with `drumline up app.py:graph`; "
                'or name one that runs: `--broker redis://host:6379`, in Python Cluster("redis://host:6379"), '
                "or DRUMLINE_BROKER, or `broker` under [tool.drumline] in pyproject.toml."
            )
        return str(url)

    def prefix(self) -> str:
        """The key prefix, which tells clusters on one broker apart. UsageError for one that cannot be."""
        given = self._given("prefix", "DRUMLINE_PREFIX")
        if given is None:
            broker = self._given("broker", "DRUMLINE_BROKER")
            # who names a broker need not wait for an `up` that has none yet
            up = read_state(wait_s=0 if broker else WRITTEN_WITHIN_S) or {}
            given = up.get("prefix") if broker in (None, up.get("broker")) else None
        prefix = str(given or self.project.get("prefix") or DEFAULT_PREFIX)
        try:
            Keys(prefix)
        except ValueError as error:
            raise UsageError(str(error)) from None
        return prefix

    def partitions(self) -> int | None:
        """Partitions of a cluster that is new; None: the transport's default, or what is stored."""
        return self._number("partitions", None)

    def version(self) -> str | None:
        """The version text that becomes a part of every fingerprint."""
        value = self._given("version", "DRUMLINE_VERSION", "version")
        return None if value is None else str(value)

    def pools(self, default: Sequence[str]) -> list[str]:
        """The pools of a worker; `*` stands for every pool that its graphs name."""
        given = self._given("pool", "DRUMLINE_POOL", "pools")
        texts: Sequence[str] = [given] if isinstance(given, str) else given or default
        pools = [name.strip() for text in texts for name in text.split(",") if name.strip()]
        bad = [name for name in pools if any(char.isspace() for char in name)]
        if bad or not pools:
            raise UsageError(f"{bad[0]!r} is no pool name: it holds white space" if bad else "--pool names no pool")
        return list(dict.fromkeys(pools))

    def log_level(self) -> str:
        """One of LOG_LEVELS: what a service writes to stderr."""
        level = str(self._given("log_level", "DRUMLINE_LOG_LEVEL") or "info").lower()
        if level not in LOG_LEVELS:
            raise UsageError(f"DRUMLINE_LOG_LEVEL is {level!r}, and must be one of {', '.join(LOG_LEVELS)}")
        return level

    def log_format(self) -> str:
        """One of LOG_FORMATS: how a service writes to stderr."""
        form = str(self._given("log_format", VARIABLE) or TEXT).lower()
        if form not in LOG_FORMATS:
            raise UsageError(f"{VARIABLE} is {form!r}, and must be one of {', '.join(LOG_FORMATS)}")
        return form

    def metrics_place(self) -> tuple[str, int] | None:
        """Where Prometheus reads the numbers of a service, as (host, port); None: nowhere."""
        given = self._given("metrics_port", "DRUMLINE_METRICS_PORT")
        if given is None:
            return None
        try:
            return parse_place(str(given))
        except ValueError as error:
            raise UsageError(f"--metrics-port (DRUMLINE_METRICS_PORT): {error}") from None

    def otel(self) -> str | None:
        """Whether there are spans for OpenTelemetry, "on" or "off"; None: nobody says. UsageError."""
        word = self._given("otel", VARIABLE_OF_SPANS)
        if word is not None and word not in (ON, OFF):
            raise UsageError(f"{VARIABLE_OF_SPANS} is {word!r}, and must be {ON} or {OFF}")
        return None if word is None else str(word)

    def concurrency(self) -> int | None:
        """Tasks at once in a worker; None: the worker's default."""
        return self._number("concurrency", "DRUMLINE_CONCURRENCY")

    def cache_bytes(self) -> int | None:
        """Bytes of large values that a worker keeps; None: the worker's default."""
        return self._number("cache_bytes", "DRUMLINE_CACHE_BYTES")

    def store(self) -> str | None:
        """Which store a worker's graphs get (`drumline.store.serving`); None: nobody says."""
        value = self._given("store", "DRUMLINE_STORE", "store")
        return None if value is None else str(value)

    def run_log_bytes(self) -> int | None:
        """Bytes that are kept of a run's log; None: the coordinator's default."""
        return self._number("run_log_bytes", "DRUMLINE_RUN_LOG_BYTES")

    def retention(self) -> Retention | None:
        """What is kept of threads whose graph says nothing; None: nobody says. UsageError."""
        given = self._given("retention", "DRUMLINE_RETENTION", "retention")
        if given is None:
            return None
        try:
            return retention_of(given)
        except (ValueError, TypeError) as error:
            raise UsageError(f"--retention (DRUMLINE_RETENTION, `retention`): {error}") from None

    def _number(self, key: str, variable: str | None) -> int | None:
        value = self._given(key, variable, key)
        if value is None:
            return None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            raise UsageError(f"{variable or key} is {value!r}, and must be a number of at least 1")
        return number
