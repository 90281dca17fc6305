"""Private copies of the source tree, each with a Python of its own that imports the copy's packages.

A virtual environment for each copy, not PYTHONPATH: so that processes which a test starts, with whatever environment,
import the copy too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .mutation import Mutation

ROOT = Path(__file__).parents[2]
#: Hypothesis draws the same examples each time, and bears a slow machine: a mutation is noticed by what it breaks
ENVIRONMENT = {**os.environ, "CI": "1"}
ROOMS = ("client", "coordinator", "gateway", "graph", "protocol", "transport", "worker")


@dataclass(frozen=True)
class Ran:
    """How a run of tests ended. `code` is pytest's exit code; None: it did not end in time."""

    code: int | None
    output: str

    @property
    def first_failure(self) -> str:
        """The test that noticed first, as pytest names it; or how the run ended, if no test did."""
        if self.code is None:
            return "(hangs)"
        for line in self.output.splitlines():
            if line.startswith(("FAILED tests/", "ERROR tests/")):
                return line.split(" - ")[0].split(" ", 1)[1]
        return f"(pytest ended with {self.code})"


class Copy:
    """A copy of the tree in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(ROOT, self.tree, ignore=ignored, symlinks=True)
        self._python = _python_of(folder / "venv", self.tree)
        # Checked by content: two versions of a file may have one size and be written within one second.
        compiled = [self._python, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
        subprocess.run([*compiled, *ROOMS], cwd=self.tree, check=True)

    def run(self, arguments: Sequence[str], limit_s: float) -> Ran:
        """Run tests in the copy until one fails, for at most `limit_s`."""
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not full", "--timeout=40", "--no-header", "-rfE"]
        process = subprocess.Popen(
            [self._python, "-m", "pytest", *options, *arguments],
            cwd=self.tree,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit_s)
            return Ran(process.returncode, output)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return Ran(None, output)

    def run_broken(self, mutation: Mutation, limit_s: float) -> Ran:
        """Run the mutation's tests with its rule broken, and mend it."""
        path = self.tree / mutation.file
        kept = path.read_text()
        mutation.apply(self.tree)
        try:
            return self.run(mutation.arguments, limit_s)
        finally:
            path.write_text(kept)


def _python_of(folder: Path, tree: Path) -> str:
    """A Python that imports drumline from `tree`, and everything else from where this process does."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    lines = [*(str(tree / room) for room in ROOMS), *(path for path in sys.path if path.endswith("-packages"))]
    (Path(own) / "mutants.pth").write_text("\n".join(lines) + "\n")
    code = "import drumline, drumline_worker; print(drumline.__file__)"
    imported = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    if not imported.startswith(str(tree)):
        raise RuntimeError(f"the copy's Python imports drumline from {imported.strip()}, not from {tree}")
    return str(python)
