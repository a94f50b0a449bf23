"""Generated questions of `consensus.gold`: a fresh seed is fresh questions, in any number a family has."""

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


def draw_gold_tasks(request: Request) -> Drawn:
    """Draw from the families in turn, each question once; a family that runs dry is left out and named."""
    waiting = read_families(request.argument)
    drawn = dict.fromkeys(waiting, 0)
    texts: set[str] = set()
    tasks: list[Task] = []
    repeated = excluded = 0
    notes = []
    while waiting and len(tasks) < request.count:
        for place in list(waiting):
            if len(tasks) == request.count:
                break
            family, level = place
            for _ in range(MISSES_MAX):
                parts = (request.seed, family.encode("ascii"), level, drawn[place])
                task = make_task(family, level, tagged_hash("eval-gold", *parts))
                drawn[place] += 1
                if task.text in request.exclude:
                    excluded += 1
                elif task.text in texts:
                    repeated += 1
                else:
                    texts.add(task.text)
                    tasks.append(task)
                    break
            else:
                waiting.remove(place)
                notes.append(f"gold:{family}:{level} has no more different questions")
    return Drawn(tuple(tasks), (*notes, *describe_dropped(repeated, excluded)))
