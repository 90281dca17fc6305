"""A page in jsdom that mounts a vendor's React hook, driven from a test. A loud skip where there is no Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NODE = Path(__file__).parent / "node"


def node_and_modules() -> tuple[str, str]:
    """Node, and the folder of the packages that `make test-node` has installed. Skips if one is not there."""
    program, modules = shutil.which("node"), os.environ.get("DRUMLINE_NODE_MODULES", "")
    if program is None or not modules:
        reason = "the vendors' JavaScript clients did not run: `make test-node` does that, where npm is"
        warnings.warn(reason, stacklevel=2)
        pytest.skip(reason)
    return program, modules


class Page:
    """One page after another, in one process of Node. AssertionError with what the page said if something fails."""

    def __init__(self, url: str) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `close` does
        program, modules = node_and_modules()
        self._process = subprocess.Popen(
            [program, str(NODE / "page.mjs"), modules, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def open(self, hook: str = "legacy", *, listen: tuple[str, ...] = (), looks: bool = True, **options: Any) -> None:
        """Mount a component that calls the hook with these options; `listen` are callbacks that are recorded.

        `looks`: it reads all that the hook returns, as one does that renders it.
        """
        self._do("open", hook=hook, options=options, listen=listen, looks=looks)

    def call(self, run: str, *args: Any) -> None:
        """Run `(shown, ...args) => ...` on what the hook returned last."""
        self._do("call", run=run, args=args)

    def submit(self, values: Any, **options: Any) -> None:
        self.call("(shown, values, options) => shown.submit(values, options)", values, options)

    def until(self, holds: str) -> dict[str, Any]:
        """What is shown as soon as `shown => holds` is true, `s` in it."""
        found: dict[str, Any] = self._do("until", holds=f"(s) => {holds}")
        return found

    def settled(self, holds: str = "true") -> dict[str, Any]:
        """What is shown as soon as nothing is being loaded and `holds` is true."""
        return self.until(f"!s.isLoading && !s.isThreadLoading && ({holds})")

    def reload(self) -> None:
        """As a browser does: all requests are cut, and the component begins anew, on the thread that its address names.

        The session's storage stays.
        """
        self._do("reload", options={"threadId": self.thread})

    @property
    def thread(self) -> str | None:
        """The thread that the hook has told of (`onThreadId`, which must be listened to)."""
        found: list[str] = [told[1] for told in self.told() if told[0] == "onThreadId"]
        return found[-1] if found else None

    def told(self) -> list[list[Any]]:
        """What the callbacks heard: the name, and the arguments."""
        return list(self._do("told")["told"])

    def texts(self) -> list[str]:
        """All that the last message said, one after another, as it was rendered."""
        return list(self._do("told")["texts"])

    def sent(self) -> list[list[dict[str, Any]]]:
        """The requests, a list for each time that the page was loaded."""
        return list(self._do("told")["sent"])

    def _do(self, verb: str, **words: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": verb, **words}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the page is gone"}
        if "error" in answer:
            self._said.seek(0)
            raise AssertionError(f"{verb}: {answer['error']}\nit said: {self._said.read()[-4000:]}")
        return answer["ok"]


@contextmanager
def page_at(url: str) -> Iterator[Page]:
    """A page whose server is at this address."""
    page = Page(url)
    try:
        yield page
    finally:
        page.close()
