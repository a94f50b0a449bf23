"""What is wrong with a manifest: every problem of a file, gathered and told together."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.errors import ConfigError

PROBLEMS_TOLD_MAX = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Path of the key, such as `fault[2].evry`; empty for the file as a whole.
        message: What was got, and what was expected.
        remedy: How to mend it; empty where the message says it.
    """

    path: str
    message: str
    remedy: str = ""

    def describe(self) -> str:
        """Return the problem on one line."""
        place = f"{self.path}: " if self.path else ""
        return place + self.message + (f"; {self.remedy}" if self.remedy else "")


class ManifestError(ConfigError):
    """A manifest that cannot be used; `problems` holds all that is wrong, PROBLEMS_TOLD_MAX at most.

    Args:
        origin: The file, or wherever else the text comes from.
        problems: What is wrong, at least one.
    """

    def __init__(self, origin: str, problems: Iterable[Problem]) -> None:
        every = tuple(problems)
        self.problems = every[:PROBLEMS_TOLD_MAX]
        first = every[0]
        if len(every) == 1:
            place = f"{first.path}: " if first.path else ""
            super().__init__(f"{origin}: {place}{first.message}", remedy=first.remedy)
            return
        lines = [f"  {problem.describe()}" for problem in self.problems]
        if len(every) > PROBLEMS_TOLD_MAX:
            lines.append(f"  and {len(every) - PROBLEMS_TOLD_MAX} more")
        super().__init__("\n".join([f"{origin}: {len(every)} problems", *lines]))


@dataclass(slots=True)
class Problems:
    """Where problems are gathered while a manifest is read."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: str, message: str, remedy: str = "") -> None:
        """Note a problem."""
        self.found.append(Problem(path, message, remedy))

    def add_error(self, path: str, error: ConfigError) -> None:
        """Note what an error says."""
        self.add(path, error.message, error.remedy)
