"""`drumline completion SHELL`: the completion script of this command line, for bash, zsh or tcsh."""

from __future__ import annotations

from argparse import Namespace


def run(args: Namespace) -> int:
    """Print the script: `eval "$(drumline completion bash)"`."""
    import shtab

    from drumline.cli.main import parser

    print(shtab.complete(parser(), shell=args.shell))
    return 0
