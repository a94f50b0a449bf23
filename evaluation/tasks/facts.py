"""Short facts that come with the package: one question, one answer, other ways to write it.

`evaluation/data/facts/NAME.tsv`: the first line is `question` and a pattern with `{}`; every further line is
a subject, its answer, and any number of aliases, separated by tabs.
"""

from importlib.resources import files

from consensus.errors import ConfigError
from evaluation.graders.payload import write_payload
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request, compute_order, take


def list_fact_sets() -> list[str]:
    """Return the names of the sets, in order."""
    folder = files("evaluation").joinpath("data", "facts")
    return sorted(
        entry.name.removesuffix(".tsv") for entry in folder.iterdir() if entry.name.endswith(".tsv")
    )


def read_fact_set(name: str) -> list[Task]:
    """Read one set.

    Raises:
        ConfigError: There is no such set, or a line of it is not as the module's text says.
    """
    known = list_fact_sets()
    if name not in known:
        raise ConfigError(f"there is no fact set {name!r}", remedy=f"choose one of {', '.join(known)}")
    text = files("evaluation").joinpath("data", "facts", f"{name}.tsv").read_text(encoding="utf-8")
    head, *lines = text.splitlines()
    _, _, pattern = head.partition("\t")
    tasks = []
    for number, line in enumerate(lines, start=2):
        subject, *answers = line.split("\t")
        if not subject or not answers or not all(answers) or pattern.count("{}") != 1:
            raise ConfigError(f"facts/{name}.tsv, line {number}: expected subject, answer and aliases")
        tasks.append(
            Task(
                key=f"facts/{name}/{subject}",
                family=f"facts-{name}",
                text=pattern.format(subject),
                truth=answers[0],
                grader="exact",
                payload=write_payload({"aliases": answers[1:]}) if len(answers) > 1 else "",
            )
        )
    return tasks


def draw_fact_tasks(request: Request) -> Drawn:
    """Draw from the sets named in the argument (`capitals,planets`), from all where none is named."""
    names = [name.strip() for name in request.argument.split(",")] if request.argument else list_fact_sets()
    tasks = [task for name in dict.fromkeys(names) for task in read_fact_set(name)]
    return take(compute_order(tasks, seed=request.seed, purpose="facts"), request)
