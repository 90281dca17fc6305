"""Runs the blocks of one page: a module for its Python, a small cluster of threads for what needs one."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drumline.apps import load_programs
from drumline_coordinator.apps import Apps
from drumline_coordinator.service import Coordinator, CoordinatorSettings
from drumline_transport import connect
from drumline_transport.local_server import LocalServer
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

from .pages import Block

#: the broker that pages speak of; examples are run against the test's own
SHOWN_URL = "redis://localhost:6379"

#: a task lease of the test cluster: pages that kill a worker should not wait for seconds
TASK_LEASE_MS = 500

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextlib.contextmanager
def threads_cluster(url: str, apps: list[str], folder: Path, workers: int) -> Iterator[None]:
    """One coordinator and some workers as threads of this process, ready when entered."""
    programs = load_programs(apps, folder=folder)
    ready = threading.Semaphore(0)
    settings = CoordinatorSettings(task_lease_ms=TASK_LEASE_MS)
    roles: list[Any] = [
        Worker(
            connect(url, name=f"worker-{n}", create=True),
            Registry(programs),
            f"worker-{n}",
            WorkerSettings(task_lease_ms=TASK_LEASE_MS),
            on_ready=ready.release,
        )
        for n in range(1, workers + 1)
    ]
    coordinator = connect(url, name="coordinator-1", create=True)
    roles.append(Coordinator(coordinator, Apps(programs), "coordinator-1", settings, on_ready=ready.release))
    threads = [threading.Thread(target=role.run, daemon=True) for role in roles]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert ready.acquire(timeout=30), "the cluster of this page did not get ready"
    try:
        yield
    finally:
        for role in roles:
            role.stop()
        for thread in threads:
            thread.join(30)


@contextlib.contextmanager
def worker_process(url: str, apps: list[str], folder: Path, pool: str) -> Iterator[None]:
    """A worker as a process of its own, for nodes that do not survive themselves."""
    command = [sys.executable, "-m", "drumline.cli.main", "worker", *apps, "--pool", pool]
    command += ["--task-lease-ms", str(TASK_LEASE_MS), "--drain-s", "0"]
    environment = {**os.environ, "DRUMLINE_BROKER": url}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        told = []
        for line in process.stderr:
            told.append(line)
            if " ready" in line:
                break
        else:
            raise AssertionError("a worker of this page did not get ready:\n" + "".join(told))
        yield
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


class PageRun:
    """Runs blocks in order. `close` ends the cluster, if one was needed, and forgets the page's modules."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.apps: list[str] = []
        self._stack = contextlib.ExitStack()
        self._server: LocalServer | None = None
        self._modules: list[str] = []
        name = "docs_" + re.sub(r"\W", "_", page.stem.lower())
        self._module = types.ModuleType(name)
        sys.modules[name] = self._module  # schemas find the names in their annotations there
        self._modules.append(name)
        sys.path.insert(0, str(folder))

    def close(self) -> None:
        self._stack.close()
        sys.path.remove(str(self.folder))
        for name in self._modules:
            sys.modules.pop(name, None)

    def run(self, block: Block) -> str:
        """What the block prints."""
        if "file" in block.options:
            self._write(block)
            return ""
        if block.needs_cluster:
            self._start_cluster()
        return self._shell(block) if block.language == "sh" else self._python(block)

    def _write(self, block: Block) -> None:
        path = self.folder / block.options["file"]
        path.write_text(block.text + "\n", encoding="utf-8")
        self._modules.append(path.stem)
        self.apps += [f"{path.name}:{name}" for name in block.options.get("serve", "").split(",") if name]

    def _start_cluster(self) -> None:
        if self._server is None:
            self._server = self._stack.enter_context(LocalServer())
            self._stack.enter_context(threads_cluster(self._server.url, self.apps, self.folder, 2))
            for pool in self._fragile_pools():
                for _ in range(2):
                    self._stack.enter_context(worker_process(self._server.url, self.apps, self.folder, pool))

    def _fragile_pools(self) -> list[str]:
        """Pools of nodes that kill their process: those get processes in place of threads."""
        pools = Apps(load_programs(self.apps, folder=self.folder)).pools()
        return [pool for pool in pools if pool != "default"]

    def _python(self, block: Block) -> str:
        source = block.text
        if self._server is not None:
            # in a reader's folder `drumline up` runs, which `Cluster()` finds
            source = source.replace(SHOWN_URL, self._server.url).replace("Cluster()", f"Cluster({self._server.url!r})")
        code = compile("\n" * (block.line - 1) + source, str(self.page), "exec")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, self._module.__dict__)
        return out.getvalue()

    def _shell(self, block: Block) -> str:
        assert self._server is not None, "a sh block needs the cluster"
        out = []
        for line in block.text.splitlines():
            if line.startswith("$ drumline "):
                words = [sys.executable, "-m", "drumline.cli.main"]
                command = " ".join(words) + line.removeprefix("$ drumline")
                environment = {**os.environ, "DRUMLINE_BROKER": self._server.url, "COLUMNS": "120"}
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=self.folder,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=60,
                    check=False,
                )
                out.append(_ANSI.sub("", done.stdout))
        return "".join(out)
