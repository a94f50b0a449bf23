"""How long a local swarm waits: measured with a model of weights, whoever runs it; a minute without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from models.contract import GenerateRequest, Generation, Model, ModelInfo
from models.errors import ModelError
from models.judges.strategy import LIKELIHOOD, parse_strategy
from models.scripted import ScriptedModel
from ranking.canonical import default_calls_per_peer
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import open_local_asker
from swarm.edge.deadlines import (
    DEADLINE_MARGIN,
    DEADLINE_S_MAX,
    DEADLINE_S_MIN,
    PASSES_PER_CALL,
    compute_at_once,
    compute_deadline_s,
    compute_passes,
    measure_process_deadline_s,
)
from swarm.edge.paths import Paths

TOKEN_S = 0.25


@dataclass
class Clock:
    """Time that passes only where a model works."""

    now_s: float = 0.0

    def get_time_s(self) -> float:
        return self.now_s


class TimedModel(ScriptedModel):
    """Says that it has weights, and takes a quarter of a second for each token it may generate."""

    def __init__(self, clock: Clock, device: str = "cpu") -> None:
        super().__init__()
        self.clock = clock
        self.device = device
        self.rows: list[int] = []

    def info(self) -> ModelInfo:
        return replace(super().info(), parameters=1, device=self.device)

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self.rows.append(len(requests))
        self.clock.now_s += TOKEN_S * sum(request.max_tokens for request in requests)
        return super().generate(requests)


def measure(options: AskOptions, model: Model, clock: Clock, *, cores: int) -> float:
    async def main() -> float:
        return await measure_process_deadline_s(options, model, cores=cores, get_time_s=clock.get_time_s)

    return trio.run(main)


@pytest.mark.parametrize(
    ("cores", "device", "sharing"), [(1, "cpu", 6.0), (2, "cpu", 3.0), (64, "cpu", 1.0), (64, "cuda:0", 6.0)]
)
def test_processes_share_cores_and_a_device(cores: int, device: str, sharing: float) -> None:
    clock = Clock()
    model = TimedModel(clock, device)
    options = AskOptions(peers=6, tokens_max=20, calls=4, in_processes=True)
    needed = (20 + 4 * PASSES_PER_CALL) * TOKEN_S * sharing
    assert measure(options, model, clock, cores=cores) == pytest.approx(max(60.0, DEADLINE_MARGIN * needed))
    assert set(model.rows) == {1}  # a process generates for one peer


def test_a_model_without_weights_is_not_measured() -> None:
    clock = Clock()
    options = AskOptions(peers=31, in_processes=True)
    assert measure(options, ScriptedModel(), clock, cores=1) == DEADLINE_S_MIN
    assert clock.now_s == 0.0


def test_a_deadline_keeps_within_its_bounds() -> None:
    options = AskOptions(peers=5, tokens_max=100)
    tokens = 5 * (100 + default_calls_per_peer(5) * PASSES_PER_CALL)
    assert compute_deadline_s(options, LIKELIHOOD, tokens_per_s=1e9) == DEADLINE_S_MIN
    assert compute_deadline_s(options, LIKELIHOOD, tokens_per_s=1e-3) == DEADLINE_S_MAX
    assert compute_deadline_s(options, LIKELIHOOD, tokens_per_s=tokens / 50.0) == pytest.approx(
        50.0 * DEADLINE_MARGIN
    )


def test_a_deadline_leaves_time_for_what_the_model_does_beside() -> None:
    options = AskOptions(peers=5, tokens_max=100, rounds_at_once=2)
    rounds = compute_deadline_s(options, LIKELIHOOD, tokens_per_s=20.0)
    both = compute_deadline_s(replace(options, answers_beside=8), LIKELIHOOD, tokens_per_s=20.0)
    assert both - rounds == pytest.approx(DEADLINE_MARGIN * 8 * 100 / 20.0)


def test_no_more_run_at_once_than_there_are() -> None:
    found = [compute_at_once(peers=4, cores=cores, device="cpu") for cores in (1, 3, 4, 99)]
    assert found == [1, 3, 4, 4]
    assert compute_at_once(peers=4, cores=99, device="cuda:0") == 1


def find_cause(exc: BaseException) -> BaseException:
    return find_cause(exc.exceptions[0]) if isinstance(exc, BaseExceptionGroup) else exc


def open_in_processes(directory: Path, options: AskOptions, note: Callable[[str], None]) -> float:
    async def main() -> float:
        paths = Paths(data=directory / "data", cache=directory / "cache")
        async with open_local_asker(options, paths=paths, note=note, on_progress=lambda _: None) as asker:
            return asker.pace.deadline_s

    return trio.run(main)


@pytest.mark.slow
@pytest.mark.parametrize(("given", "kept"), [(None, DEADLINE_S_MIN), (7.0, 7.0)])
def test_the_deadline_of_processes_is_the_one_given(tmp_path: Path, given: float | None, kept: float) -> None:
    options = AskOptions(peers=4, model="scripted", in_processes=True, deadline_s=given)
    assert open_in_processes(tmp_path, options, lambda _: None) == kept


def test_a_directory_without_a_model_is_refused_before_any_process_starts(tmp_path: Path) -> None:
    notes: list[str] = []
    options = AskOptions(peers=4, model=str(tmp_path), in_processes=True)
    with pytest.raises(ExceptionGroup) as caught:
        open_in_processes(tmp_path, options, notes.append)
    cause = find_cause(caught.value)
    assert isinstance(cause, ModelError)
    assert "without config.json" in cause.message
    assert notes == []


@pytest.mark.parametrize(
    ("judge", "less"),
    [
        ("likelihood:prompts=4", "likelihood"),
        ("letters", "likelihood:prompts=4"),
        ("reasoning:orders=1", "letters"),
        ("reasoning", "reasoning:orders=1"),
        ("reasoning:tokens=100", "reasoning:tokens=50"),
    ],
)
def test_a_judge_that_works_longer_is_waited_for_longer(judge: str, less: str) -> None:
    options = AskOptions(peers=5)
    more, before = (parse_strategy(text) for text in (judge, less))
    assert compute_passes(more) > compute_passes(before)
    assert compute_deadline_s(options, more, tokens_per_s=50.0) > compute_deadline_s(
        options, before, tokens_per_s=50.0
    )


def test_the_measured_deadline_counts_the_judge() -> None:
    deadlines = []
    for judge in ("likelihood", "reasoning:tokens=50,orders=1"):
        clock = Clock()
        options = AskOptions(peers=4, calls=2, tokens_max=20, judge=judge)
        deadlines.append(measure(options, TimedModel(clock), clock, cores=4))
    assert deadlines[1] > deadlines[0]
