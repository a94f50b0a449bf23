"""Generated questions of `consensus.gold`: a fresh seed is fresh questions, in any number a family has."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from consensus.errors import ConfigError
from consensus.gold import FAMILIES, LEVELS, generate
from consensus.hashing import tagged_hash
from evaluation.graders.payload import write_payload
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request, describe_dropped

MISSES_MAX = 2_000  # draws in a row without a new question after which a family counts as exhausted
SEED_HEX_DIGITS = 32  # of a question's seed in its key: 128 bits name it for good


def read_families(argument: str) -> list[tuple[str, int]]:
    """Read `units:2,roman,dates:1`: families with levels, level 1 where none is given; empty means all.

    Raises:
        ConfigError: There is no such family or level.
    """
    if not argument:
        return [(family, LEVELS[0]) for family in sorted(FAMILIES)]
    chosen: dict[tuple[str, int], None] = {}
    for entry in argument.split(","):
        family, colon, level = entry.strip().partition(":")
        if family not in FAMILIES:
            raise ConfigError(
                f"there is no gold family {family!r}", remedy=f"choose one of {', '.join(sorted(FAMILIES))}"
            )
        if colon and level not in [str(one) for one in LEVELS]:
            raise ConfigError(f"gold:{family} has no level {level!r}", remedy="choose level 1, 2 or 3")
        chosen[family, int(level) if colon else LEVELS[0]] = None
    return list(chosen)


def make_task(family: str, level: int, seed: bytes) -> Task:
    """Make the task of one question."""
    gold = generate(family, seed, level)
    return Task(
        key=f"gold/{family}/{level}/{seed.hex()[:SEED_HEX_DIGITS]}",
        family=f"{family}-{level}",
        text=gold.text,
        truth=gold.truth,
        grader="gold",
        payload=write_payload({"family": family, "level": level}),
    )


@dataclass(slots=True)
class _Drawing:
    """What was drawn so far: the tasks by their text, and how many draws were of no use."""

    request: Request
    tasks: dict[str, Task]
    repeated: int = 0
    excluded: int = 0

    def add_new(self, family: str, level: int, indices: Iterator[int]) -> bool:
        """Draw from a family until a question is new; say whether one was found."""
        for index in islice(indices, MISSES_MAX):
            parts = (self.request.seed, family.encode("ascii"), level, index)
            task = make_task(family, level, tagged_hash("eval-gold", *parts))
            if task.text in self.request.exclude:
                self.excluded += 1
            elif task.text in self.tasks:
                self.repeated += 1
            else:
                self.tasks[task.text] = task
                return True
        return False


def draw_gold_tasks(request: Request) -> Drawn:
    """Draw from the families in turn, each question once; a family that runs dry is left out and named."""
    drawing = _Drawing(request, {})
    waiting = deque((family, level, count()) for family, level in read_families(request.argument))
    notes = []
    while waiting and len(drawing.tasks) < request.count:
        family, level, indices = waiting.popleft()
        if drawing.add_new(family, level, indices):
            waiting.append((family, level, indices))
        else:
            notes.append(f"gold:{family}:{level} has no more different questions")
    dropped = describe_dropped(drawing.repeated, drawing.excluded)
    return Drawn(tuple(drawing.tasks.values()), (*notes, *dropped))
