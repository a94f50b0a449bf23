"""Questions of reasoning-gym's generators, graded by its scorers (`evaluation.graders.reasoning`)."""

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.graders.payload import write_payload
from evaluation.graders.reasoning import make_entry, open_gym
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request, take

SPARE = 2  # entries made for each one wanted, because generators repeat themselves
SEED_BITS = 31


def make_tasks(name: str, *, seed: int, size: int) -> list[Task]:
    """Make `size` entries of one data set.

    Raises:
        ConfigError: As `open_gym`; or an entry has no texts.
    """
    gym = open_gym(name, size=size, seed=seed)
    tasks = []
    for index in range(size):
        entry = make_entry(gym, seed=seed, index=index)
        question, answer = entry["question"], entry["answer"]
        if not isinstance(question, str) or not isinstance(answer, str):
            raise ConfigError(
                f"reasoning-gym:{name}: entry {index} has no one answer as text",
                remedy="choose another data set",
            )
        payload = {"dataset": name, "seed": seed, "size": size, "index": index}
        tasks.append(
            Task(
                key=f"reasoning-gym/{name}/{seed}/{size}/{index}",
                family=f"reasoning-gym-{name}",
                text=question,
                truth=answer,
                grader="reasoning-gym",
                payload=write_payload(payload),
            )
        )
    return tasks


def draw_reasoning_tasks(request: Request) -> Drawn:
    """Draw from the data sets named in the argument, in turn.

    Raises:
        ConfigError: None is named; or as `make_tasks`.
    """
    names = list(dict.fromkeys(name.strip() for name in request.argument.split(",") if name.strip()))
    if not names:
        raise ConfigError(
            "the source 'reasoning-gym' needs a data set", remedy="write reasoning-gym:leg_counting"
        )
    share = -(-request.count // len(names)) * SPARE
    columns = []
    for name in names:
        digest = tagged_hash("eval-reasoning", request.seed, name.encode("utf-8"))
        seed = int.from_bytes(digest[:8], "big") % (1 << SEED_BITS)
        columns.append(make_tasks(name, seed=seed, size=share))
    return take([task for row in zip(*columns, strict=True) for task in row], request)
