"""Published sets: rows from a local file, or from the Hugging Face hub through `datasets`.

`NAME@PATH` reads a local file of the published shape: JSON Lines, or Parquet by its ending. `NAME` alone
downloads, which needs `datasets` (the extra `eval`) and a network. What a set is licensed for is its
publisher's word; nothing of any set comes with this package.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from consensus.errors import ConfigError
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request, compute_order, take
from evaluation.tasks.files import read_lines
from evaluation.tasks.rows import (
    Row,
    adapt_aime,
    adapt_arc,
    adapt_gpqa,
    adapt_gsm8k,
    adapt_humaneval,
    adapt_math_500,
    adapt_mmlu,
)

LOCAL = "give a local file of its rows: {name}@PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where a set is published, and how its rows become tasks.

    Args:
        repository: On the hub.
        config: Its configuration there where the argument names none.
        configs: What the argument may name; empty where it may name anything the publisher has.
        split: The split that is asked.
        adapt: Makes a task of one row, of words that say where it stands, and of the seed.
    """

    repository: str
    config: str
    configs: tuple[str, ...]
    split: str
    adapt: Callable[[Row, str, int], Task]


SETS: Mapping[str, Published] = MappingProxyType(
    {
        "aime": Published(
            repository="HuggingFaceH4/aime_2024",
            config="default",
            configs=("default",),
            split="train",
            adapt=adapt_aime,
        ),
        "arc": Published(
            repository="allenai/ai2_arc",
            config="ARC-Challenge",
            configs=("ARC-Challenge", "ARC-Easy"),
            split="test",
            adapt=adapt_arc,
        ),
        "gpqa-diamond": Published(
            repository="Idavidrein/gpqa",
            config="gpqa_diamond",
            configs=("gpqa_diamond",),
            split="train",
            adapt=adapt_gpqa,
        ),
        "gsm8k": Published(
            repository="openai/gsm8k", config="main", configs=("main",), split="test", adapt=adapt_gsm8k
        ),
        "humaneval": Published(
            repository="openai/openai_humaneval",
            config="openai_humaneval",
            configs=("openai_humaneval",),
            split="test",
            adapt=adapt_humaneval,
        ),
        "math-500": Published(
            repository="HuggingFaceH4/MATH-500",
            config="default",
            configs=("default",),
            split="test",
            adapt=adapt_math_500,
        ),
        "mmlu": Published(repository="cais/mmlu", config="all", configs=(), split="test", adapt=adapt_mmlu),
    }
)


class Fetch(Protocol):
    """Fetches the rows of a split from the hub."""

    def __call__(self, repository: str, config: str, split: str) -> Iterable[Row]:
        """Return the rows in their published order."""


def fetch_rows(repository: str, config: str, split: str) -> Iterable[Row]:
    """Fetch rows through `datasets`.

    Raises:
        ConfigError: It is not installed, or it cannot load that split.
    """
    name = next(name for name, one in SETS.items() if one.repository == repository)
    local = LOCAL.format(name=name)
    try:
        import datasets
    except ImportError as exc:
        raise ConfigError(
            f"{name} comes through 'datasets', which is not installed",
            remedy=f"pip install 'peerage[eval]', or {local}",
        ) from exc
    try:
        rows: Iterable[Row] = datasets.load_dataset(repository, config, split=split)
    except (OSError, ValueError, RuntimeError) as exc:
        raise ConfigError(
            f"cannot load {repository} ({config}, {split}): {exc}", remedy=f"go online, or {local}"
        ) from exc
    return rows


def read_parquet(path: Path) -> list[Row]:
    """Read the rows of a Parquet file.

    Raises:
        ConfigError: PyArrow is not installed, or the file cannot be read.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as exc:
        raise ConfigError(
            "Parquet needs PyArrow, which is not installed", remedy="pip install pyarrow"
        ) from exc
    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as exc:
        raise ConfigError(f"cannot read {path}: {exc}", remedy="give a Parquet file") from exc
    return rows


def draw_published_tasks(name: str, request: Request, fetch: Fetch = fetch_rows) -> Drawn:
    """Draw from a published set.

    Args:
        name: A key of `SETS`.
        request: Its argument names a configuration (`mmlu:anatomy`), its path a local file.
        fetch: Gets rows from the hub.

    Raises:
        ConfigError: No such configuration; rows that cannot be had; a row of another shape, named by number.
    """
    published = SETS[name]
    config = request.argument or published.config
    if published.configs and config not in published.configs:
        raise ConfigError(
            f"{name} has no configuration {config!r}", remedy=f"choose one of {', '.join(published.configs)}"
        )
    path = Path(request.path)
    if not request.path:
        rows = list(enumerate(fetch(published.repository, config, published.split), start=1))
    elif path.suffix == ".parquet":
        rows = list(enumerate(read_parquet(path), start=1))
    else:
        rows = read_lines(path)
    tasks = [published.adapt(row, f"{name}, row {number}", request.seed) for number, row in rows]
    return take(compute_order(tasks, seed=request.seed, purpose=name), request)
