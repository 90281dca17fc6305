"""What a mutation is, and how it is applied to a tree of source. Pure but for reading and writing that one file."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


class StaleMutation(Exception):
    """The source has changed: the mutation's old text is not there, or not once. Write it anew, or take it out."""


@dataclass(frozen=True)
class Mutation:
    """One rule of `file` changed: `old` becomes `new`.

    `tests` are arguments of pytest, in the order in which they shall run: those that should notice come first. `rule`
    says what is broken. `equivalent` says why no test can notice, if none can: such a mutation is not run.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    rule: str
    equivalent: str = ""

    def applied_to(self, source: str) -> str:
        """The source with the rule broken. StaleMutation unless `old` stands in it exactly once."""
        found = source.count(self.old)
        if found != 1:
            raise StaleMutation(f"mutation {self.name!r} is stale: its text stands {found} times in {self.file}")
        return source.replace(self.old, self.new)

    def apply(self, tree: Path) -> None:
        """Break the rule in `tree`."""
        path = tree / self.file
        path.write_text(self.applied_to(path.read_text()))

    @property
    def arguments(self) -> list[str]:
        """`tests` as words of a command."""
        return shlex.split(self.tests)
