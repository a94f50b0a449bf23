"""A model without weights: a pure function of question, seat and seed, with set accuracies."""

import hashlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from statistics import NormalDist

from models.choices import check_choice_request, normalise_logprobs
from models.contract import (
    Choice,
    ChoiceRequest,
    Finish,
    GenerateRequest,
    Generation,
    ModelInfo,
    Prompt,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.prompts import CANDIDATE, get_labelled_texts
from models.states import check_states

SCRIPTED_NAME = "scripted"
CONTEXT_TOKENS = 4_096
DISTRACTORS = 3
TOKEN_LOGPROB = -0.5
LAYERS = 3
STATE_WIDTH = 8
# Judge accuracies are reached through a normal quantile, which has none at 0 and 1.
JUDGE_ACCURACY_MARGIN = 1e-9
LATENCY_S_MAX = 3_600.0
_TAG = b"peerage/1/scripted\x00"
_MARK = "Question:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedSettings:
    """What a scripted model does.

    Args:
        accuracy: Probability that an answer is right, 0..1.
        judge_accuracy: Probability that a right answer scores above a wrong one, 0..1.
        latency: Seconds that a call takes, however many requests it holds.
    """

    accuracy: float = 0.6
    judge_accuracy: float = 0.8
    latency: float = 0.0


def _draw(*parts: str | bytes) -> int:
    """Return 64 bits that depend on nothing but `parts`."""
    hasher = hashlib.sha256(_TAG)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(hasher.digest()[:8], "big")


def _draw_fraction(*parts: str | bytes) -> float:
    return (_draw(*parts) + 0.5) / 2.0**64


def get_question(prompt: Prompt) -> str:
    """Return a prompt's fenced question, else its last `Question:` line, else the whole suffix."""
    labelled = get_labelled_texts(prompt.suffix).get(_MARK.removesuffix(":"))
    if labelled is not None:
        return " ".join(labelled.split())
    for line in reversed(prompt.suffix.splitlines()):
        if line.startswith(_MARK):
            return line.removeprefix(_MARK).strip()
    return prompt.suffix.strip()


def compute_scripted_truth(question: str) -> str:
    """Return what a scripted model holds to be the right answer to a question it was given no answer for."""
    return str(100 + _draw("truth", question) % 900)


def compute_distractors(question: str, truth: str) -> tuple[str, ...]:
    """Return the DISTRACTORS wrong answers to a question, distinct and none of them `truth`."""
    found: list[str] = []
    salt = 0
    while len(found) < DISTRACTORS:
        text = str(100 + _draw("distractor", question, str(salt)) % 900)
        if text != truth and text not in found:
            found.append(text)
        salt += 1
    return tuple(found)


class ScriptedModel:
    """Answers and judges by hash.

    Args:
        accuracy: Probability that an answer is right, 0..1.
        judge_accuracy: Probability that a right answer scores above a wrong one, 0..1.
        latency_s: Time a call takes, in seconds, however many requests it holds.
        answers: Right answers by question; for other questions one is derived from the question's hash.

    Raises:
        ModelError: A value is out of range.
    """

    def __init__(
        self,
        *,
        accuracy: float = 0.6,
        judge_accuracy: float = 0.8,
        latency_s: float = 0.0,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        for name, value, top in (
            ("accuracy", accuracy, 1.0),
            ("judge_accuracy", judge_accuracy, 1.0),
            ("latency", latency_s, LATENCY_S_MAX),
        ):
            if not (math.isfinite(value) and 0.0 <= value <= top):
                raise ModelError(f"scripted: {name} is {value}, expected 0..{top:g}")
        self._accuracy = accuracy
        self._latency_s = latency_s
        self._answers = dict(answers or {})
        level = min(max(judge_accuracy, JUDGE_ACCURACY_MARGIN), 1 - JUDGE_ACCURACY_MARGIN)
        # Two independent unit normals differ by a normal of variance 2, hence the root.
        self._gap = math.sqrt(2.0) * NormalDist().inv_cdf(level)
        parameters = json.dumps([accuracy, judge_accuracy, sorted(self._answers.items())])
        self._digest = hashlib.sha256(_TAG + parameters.encode()).digest()
        self._is_interrupted = threading.Event()

    def info(self) -> ModelInfo:
        """Return the honest description: no weights, no family but its own."""
        return ModelInfo(
            name=SCRIPTED_NAME,
            digest=self._digest,
            family=SCRIPTED_NAME,
            parameters=0,
            context_tokens=CONTEXT_TOKENS,
            device="cpu",
            has_replayable_sampling=True,
            has_logprobs=True,
            has_choices=True,
            layers=LAYERS,
        )

    def interrupt(self) -> None:
        """Make the running call raise ModelError instead of waiting out its latency."""
        self._is_interrupted.set()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answer each request; see `Model.generate`."""
        self._is_interrupted.clear()
        results = [self._generate_one(request) for request in requests]
        self._wait()
        return results

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score each continuation; see `Model.score`.

        A state is STATE_WIDTH unit normals by hash, the first of them shifted where the text is right, by as
        much as its score: independent of the score, it tells as much.
        """
        check_states(requests, self.info())
        self._is_interrupted.clear()
        results = [self._score_one(request) for request in requests]
        self._wait()
        return results

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Prefer the right option as often as a right answer scores above a wrong one; see `Model.choose`.

        An option is right where it is the right answer, or where the prompt shows that as `Answer {option}`.
        """
        self._is_interrupted.clear()
        results = [self._choose_one(request) for request in requests]
        self._wait()
        return results

    def get_truth(self, question: str) -> str:
        """Return the answer that this model holds to be right."""
        return self._answers.get(question, compute_scripted_truth(question))

    def _wait(self) -> None:
        if self._latency_s and self._is_interrupted.wait(self._latency_s):
            raise ModelError("the model call was given up")

    def _generate_one(self, request: GenerateRequest) -> Generation:
        if request.max_tokens < 1:
            raise ModelError(f"max_tokens is {request.max_tokens}, expected at least 1")
        if request.temperature_milli < 0:
            raise ModelError(f"temperature_milli is {request.temperature_milli}, expected at least 0")
        prompt_tokens = _check_context(request.prompt, request.max_tokens)
        question = get_question(request.prompt)
        # Greedy answers depend on the prompt alone, as those of a real model do.
        noise = (request.noise_seed, request.seat_key) if request.temperature_milli else ()
        identity = (question, request.prompt.prefix, *noise)
        answer = self.get_truth(question)
        if _draw_fraction("is-right", *identity) >= self._accuracy:
            answer = compute_distractors(question, answer)[_draw("which-wrong", *identity) % DISTRACTORS]
        words = answer.split()
        is_cut = len(words) > request.max_tokens
        words = words[: request.max_tokens]
        whole = "".join(f" {word}" for word in words) + ("" if is_cut else "\n")
        cuts = [place for place in (whole.find(stop) for stop in request.stop if stop) if place >= 0]
        return Generation(
            text=whole[: min(cuts)] if cuts else whole.rstrip("\n"),
            tokens=tuple(_draw("token", word) % 2**31 for word in words),
            finish=Finish.LENGTH if is_cut and not cuts else Finish.STOP,
            prompt_tokens=prompt_tokens,
            logprob=TOKEN_LOGPROB * len(words),
        )

    def _score_one(self, request: ScoreRequest) -> Score:
        tokens = len(request.continuation.split())
        _check_context(request.context, tokens)
        text = request.continuation.strip()
        truth = self.get_truth(get_question(request.context))
        states = tuple(
            self._draw_state(layer, request.context, text, is_right=text == truth)
            for layer in request.state_layers
        )
        if not text:
            return Score(logprob=0.0, tokens=0, states=states)
        merit = self._draw_merit("score", request.context, text, is_right=text == truth)
        return Score(logprob=merit - 10.0, tokens=tokens, states=states)

    def _draw_state(self, layer: int, context: Prompt, text: str, *, is_right: bool) -> tuple[float, ...]:
        return tuple(
            self._draw_merit(f"state-{layer}-{place}", context, text, is_right=is_right and place == 0)
            for place in range(STATE_WIDTH)
        )

    def _choose_one(self, request: ChoiceRequest) -> Choice:
        check_choice_request(request)
        prompt_tokens = _check_context(
            request.context, max(len(option.split()) for option in request.options)
        )
        truth = self.get_truth(get_question(request.context))
        labelled = get_labelled_texts(request.context.suffix)
        merits = [
            self._draw_merit(
                "choose",
                request.context,
                option,
                is_right=truth in (option.strip(), labelled.get(f"{CANDIDATE} {option.strip()}")),
            )
            for option in request.options
        ]
        return Choice(logprobs=normalise_logprobs(merits), prompt_tokens=prompt_tokens)

    def _draw_merit(self, kind: str, context: Prompt, text: str, *, is_right: bool) -> float:
        noise = NormalDist().inv_cdf(_draw_fraction(kind, context.text, text))
        return noise + (self._gap if is_right else 0.0)


def _check_context(prompt: Prompt, room: int) -> int:
    if not prompt.text:
        raise ModelError("the prompt is empty", remedy="ask something")
    tokens = len(prompt.text.split())
    if tokens + room > CONTEXT_TOKENS:
        raise ModelError(
            f"the prompt has {tokens} tokens and the answer {room}, together more than the context length of "
            f"{SCRIPTED_NAME}, {CONTEXT_TOKENS} tokens",
            remedy="shorten the question or ask for a shorter answer",
        )
    return tokens


def parse_scripted(spec: str, *, answers: Mapping[str, str] | None = None) -> ScriptedModel:
    """Make a scripted model from its specification.

    Args:
        spec: `scripted`, or `scripted:accuracy=0.7,judge_accuracy=0.8,latency=0.5` with any of these keys.
        answers: Right answers by question.

    Returns:
        The model.

    Raises:
        ModelError: A key is unknown (the nearest known one is named), given twice, or its value is no number.
    """
    name, _, tail = spec.partition(":")
    if name != SCRIPTED_NAME:
        raise ModelError(
            f"{spec!r} is not a scripted model", remedy=f"write {SCRIPTED_NAME} or {SCRIPTED_NAME}:key=value"
        )
    known = [item.name for item in fields(ScriptedSettings)]
    values: dict[str, float] = {}
    for part in tail.split(",") if tail else ():
        key, _, text = (piece.strip() for piece in part.partition("="))
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.0)
            raise ModelError(
                f"{spec!r}: unknown key {key!r}",
                remedy=f"did you mean {near[0]!r}? known: {', '.join(known)}",
            )
        if key in values:
            raise ModelError(f"{spec!r}: {key} is given twice", remedy="give it once")
        values[key] = _parse_number(spec, key, text)
    settings = ScriptedSettings(**values)
    return ScriptedModel(
        accuracy=settings.accuracy,
        judge_accuracy=settings.judge_accuracy,
        latency_s=settings.latency,
        answers=answers,
    )


def _parse_number(spec: str, key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise ModelError(
            f"{spec!r}: {key} is {text!r}, expected a number", remedy=f"write {key}=0.5"
        ) from exc
