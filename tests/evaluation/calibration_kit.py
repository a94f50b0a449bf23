"""Models with planted faults, and a calibration of them in a directory of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.calibration.plan import CalibrationPlan
from evaluation.calibration.running import Listeners, Progress, Subject, calibrate
from evaluation.store import CallStore
from evaluation.task import Task
from evaluation.tasks import load_tasks
from models.choices import normalise_logprobs
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.prompts import as_line, get_labelled_texts
from models.scripted import ScriptedModel, get_question
from swarm.edge.calibrations import Calibration, StrategyFigures


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What is wrong with a model, in nats.

    `states` scales its states, `knows` is added to the first value of a right answer's, and `fails_at` is a
    text at which judging fails.
    """

    first: float = 0.0
    letter: float = 0.0
    own: float = 0.0
    states: float = 1.0
    knows: float = 0.0
    fails_at: str = "\0"


class PlantedModel(ScriptedModel):
    """A scripted model with faults: `first` for what is shown first, `letter` a character of length."""

    def __init__(
        self,
        tasks: Sequence[Task],
        faults: Faults,
        *,
        scoring: float = 0.8,
        choosing: float = 0.8,
        accuracy: float = 0.6,
    ) -> None:
        answers = {as_line(task.text): task.truth for task in tasks}
        super().__init__(accuracy=accuracy, judge_accuracy=scoring, answers=answers)
        self._choosing = ScriptedModel(judge_accuracy=choosing, answers=answers)
        self._faults = faults
        self._said: dict[Prompt, list[str]] = {}

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        results = super().generate(requests)
        for request, result in zip(requests, results, strict=True):
            if request.temperature_milli:
                self._said.setdefault(request.prompt, []).append(result.text.strip())
        return results

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self._fail([request.continuation for request in requests])
        return [
            replace(
                score,
                logprob=score.logprob + self._bonus(request),
                states=tuple(self._change(request, state) for state in score.states),
            )
            for request, score in zip(requests, super().score(requests), strict=True)
        ]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        self._fail([request.context.suffix for request in requests])
        results = []
        for request, choice in zip(requests, self._choosing.choose(requests), strict=True):
            labelled = get_labelled_texts(request.context.suffix)
            odds = [
                logprob + self._faults.letter * len(labelled[f"Answer{option}"])
                for logprob, option in zip(choice.logprobs, request.options, strict=True)
            ]
            odds[0] += self._faults.first
            results.append(replace(choice, logprobs=normalise_logprobs(odds)))
        return results

    def _bonus(self, request: ScoreRequest) -> float:
        is_own = request.continuation.strip() in self._said.get(request.context, [])
        return self._faults.letter * len(request.continuation) + self._faults.own * is_own

    def _change(self, request: ScoreRequest, state: tuple[float, ...]) -> tuple[float, ...]:
        is_right = request.continuation.strip() == self.get_truth(get_question(request.context))
        first, *rest = (self._faults.states * value for value in state)
        return (first + self._faults.knows * is_right, *rest)

    def _fail(self, texts: Sequence[str]) -> None:
        if any(self._faults.fails_at in text for text in texts):
            raise ModelError("planted failure")


def make_plan(
    *judges: str, count: int = 60, tasks: str = "gold", trains_probe: bool = False
) -> CalibrationPlan:
    return CalibrationPlan(
        model="planted", tasks=tasks, count=count, seed=1, judges=judges, trains_probe=trains_probe
    )


def draw(plan: CalibrationPlan) -> list[Task]:
    return load_tasks(plan.tasks, count=plan.count, seed=plan.seed)


def run(plan: CalibrationPlan, model: Model, directory: Path) -> Calibration:
    told: list[Progress] = []
    forecasts: list[float] = []
    with CallStore(directory / "calls.sqlite3") as store:
        found = calibrate(
            plan,
            draw(plan),
            Subject(model=model, digest=model.info().digest, spec="planted"),
            store=store,
            listeners=Listeners(on_forecast=forecasts.append, on_progress=told.append),
        )
    assert len(forecasts) == 1
    assert told[0].stage == "answering"
    return found


def get(found: Calibration, strategy: str) -> StrategyFigures:
    return next(one for one in found.strategies if one.strategy == strategy)
