"""What the tests of the command line stand on."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.cli.command import ROOT

_STARTS_A_CHILD = """
import signal, subprocess, sys
import tests.cli.command
waits = "import signal; print('up', flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE)
child.stdout.readline()
child.send_signal(signal.SIGINT)
try:
    print(child.wait(5))
finally:
    child.kill()
"""


def test_ctrl_c_reaches_the_commands_of_tests_that_run_in_the_background() -> None:
    """A shell without job control starts what it runs in its background with Ctrl-C ignored."""
    done = subprocess.run(
        [sys.executable, "-c", _STARTS_A_CHILD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == [str(-signal.SIGINT)], done.stderr
