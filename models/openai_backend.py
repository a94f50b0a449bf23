"""Any server that speaks the OpenAI format, as a model: vLLM, llama.cpp, Ollama, hosted ones.

Weights, tokens and sampling are the server's own, and its word is all there is: the digest is declared, the
noise of `models.sampling` decides nothing. What a server can do is found by probing it once.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus

from models.choices import check_choice_request, normalise_logprobs
from models.contract import (
    Choice,
    ChoiceRequest,
    Finish,
    GenerateRequest,
    Generation,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.openai_choice import read_verdict, share_first_token
from models.openai_http import HttpLimits, HttpServer, Reply
from models.openai_probe import Abilities, post_ask, probe_server
from models.openai_spec import OpenAISpec
from models.openai_wire import (
    SCHEMA_TOKENS,
    Answer,
    Ask,
    Constraint,
    Mode,
    Token,
    cut_at_stop,
    decode_answer,
    find_continuation,
    make_inert,
    read_echo,
)
from models.states import check_states

# No token of a tokenizer in use stands for more bytes than this on average over a prompt.
BYTES_PER_TOKEN_MAX = 16
# The words for an end by itself; OpenAI's own is `stop`.
STOPPED = frozenset({"stop", "eos", "eos_token", "stop_sequence"})
CUT_OFF = frozenset({"length", "max_tokens"})
_SEED_TAG = b"peerage/1/openai-seed\x00"


class OpenAIModel:
    """A model behind an OpenAI-compatible server.

    Opening it asks the server what it can do, with a few requests of a token or so each.

    Args:
        spec: Where the server is, which model, and the key.
        limits: Bounds of the traffic.

    Raises:
        ModelError: The server cannot be reached, refuses the key, or has no such model.
    """

    def __init__(self, spec: OpenAISpec, limits: HttpLimits | None = None) -> None:
        self._server = HttpServer(spec, limits or HttpLimits())
        self._abilities = probe_server(self._server, spec)
        model = self._abilities.dialect.model
        self._info = ModelInfo(
            name=model,
            digest=self._abilities.digest,
            family=model.rpartition("/")[2].lower() or model,
            parameters=self._abilities.parameters,
            context_tokens=self._abilities.context_tokens,
            device=spec.origin,
            has_replayable_sampling=False,
            has_logprobs=self._abilities.has_echo,
            has_choices=bool(
                self._abilities.has_echo or self._abilities.top or self._abilities.constraint is not None
            ),
            is_digest_declared=True,
        )

    @property
    def abilities(self) -> Abilities:
        """What probing the server has shown."""
        return self._abilities

    def info(self) -> ModelInfo:
        """Return what the server declares and supports."""
        return self._info

    def interrupt(self) -> None:
        """Make the running call raise ModelError, cutting its connections."""
        self._server.interrupt()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Sample one continuation per request, several at once; see `Model.generate`.

        The seed sent follows from noise seed and seat key, so that seats differ; whether the server keeps to
        it is the server's affair.
        """
        self._server.begin()
        for request in requests:
            self._check_generate(request)
        return self._server.run_all([partial(self._generate_one, request) for request in requests])

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Compute each continuation's log-probability from an echo of the whole text; see `Model.score`.

        Unlike elsewhere, context and continuation are tokenised as one text: a token across the border counts
        as the continuation's.
        """
        self._server.begin()
        check_states(requests, self._info)
        if requests and not self._info.has_logprobs:
            raise ModelError(
                f"{self._info.name} on {self._info.device} gives no log-probabilities of a prompt",
                remedy="use a server that echoes prompts with log-probabilities, such as vLLM, "
                "or a judge that needs none",
            )
        for request in requests:
            self._check_text(request.context.text, 0)
        return self._server.run_all([partial(self._score_one, request) for request in requests])

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Share probability between options; see `Model.choose`.

        By the first token where the options begin differently, else by the log-probabilities of each option,
        else by the one verdict of a constrained answer.
        """
        self._server.begin()
        if requests and not self._info.has_choices:
            raise ModelError(
                f"{self._info.name} on {self._info.device} gives neither log-probabilities nor constrained "
                "answers, so it cannot choose",
                remedy="use a server with one of the two, such as vLLM, llama.cpp or Ollama",
            )
        for request in requests:
            check_choice_request(request)
            self._check_text(request.context.text, 1)
        return self._server.run_all([partial(self._choose_one, request) for request in requests])

    def _check_generate(self, request: GenerateRequest) -> None:
        if request.max_tokens < 1:
            raise ModelError(f"max_tokens is {request.max_tokens}, expected at least 1")
        if request.temperature_milli < 0:
            raise ModelError(f"temperature_milli is {request.temperature_milli}, expected at least 0")
        self._check_text(request.prompt.text, request.max_tokens)

    def _check_text(self, text: str, room: int) -> None:
        """Refuse what cannot fit whatever the tokenizer; the rest is for the server to refuse."""
        if not text:
            raise ModelError("the prompt is empty", remedy="ask something")
        tokens = len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN_MAX
        if tokens + room > self._info.context_tokens:
            raise self._make_overlong(tokens, room)

    def _make_overlong(self, tokens: int, room: int) -> ModelError:
        return ModelError(
            f"the prompt has {tokens} tokens or more and the answer {room}, together more than the context "
            f"length of {self._info.name}, {self._info.context_tokens} tokens",
            remedy="shorten the question or ask for a shorter answer",
        )

    def _ask(self, ask: Ask) -> Answer:
        reply = post_ask(self._server, ask, self._abilities.dialect)
        if reply.status != HTTPStatus.OK:
            raise self._make_refused(reply)
        answer = decode_answer(reply.body)
        is_beyond = answer.prompt_tokens + ask.max_tokens > self._info.context_tokens
        if is_beyond and self._abilities.is_context_declared:
            # It was not refused, so it was cut, and another question was answered.
            raise self._make_overlong(answer.prompt_tokens, ask.max_tokens)
        if answer.sampled_tokens > ask.max_tokens:
            raise ModelError(
                f"{self._info.name} sampled {answer.sampled_tokens} tokens, expected at most "
                f"{ask.max_tokens}",
                remedy="use a server that keeps to max_tokens",
            )
        return answer

    def _make_refused(self, reply: Reply) -> ModelError:
        return ModelError(
            f"{self._info.name} gave no answer ({self._server.describe_refusal(reply)}); its context "
            f"length is {self._info.context_tokens} tokens",
            remedy="shorten the question if it was too long, else see the server's log",
        )

    def _generate_one(self, request: GenerateRequest) -> Generation:
        is_chat = self._abilities.dialect.mode is Mode.CHAT
        answer = self._ask(
            Ask(
                text=make_inert(request.prompt.text),
                max_tokens=request.max_tokens,
                temperature=request.temperature_milli / 1_000,
                seed=_compute_seed(request),
                stop=tuple(stop for stop in request.stop if stop),
                # The sampled token's own comes with the first of the likeliest; chat takes no 0 everywhere.
                top=1 if self._abilities.top else None,
            )
        )
        text = answer.text.lstrip() if is_chat else answer.text
        cut = cut_at_stop(text, request.stop)
        finish = _read_finish(answer.finish)
        return Generation(
            text=text if cut is None else cut,
            tokens=(),
            finish=finish if cut is None else Finish.STOP,
            prompt_tokens=answer.prompt_tokens,
            logprob=_sum_to_stop(answer, request.stop, is_chat=is_chat),
            counted_tokens=answer.sampled_tokens,
        )

    def _score_one(self, request: ScoreRequest) -> Score:
        if not request.continuation:
            return Score(logprob=0.0, tokens=0)
        context, continuation = make_inert(request.context.text), make_inert(request.continuation)
        tokens = self._echo(context + continuation)
        border = find_continuation(tokens, context, continuation)
        if border is None:
            border = self._find_border(tokens, context)
        values = [token.logprob for token in tokens[border:]]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            raise ModelError(
                f"{self._info.name} gives {len(known)} log-probabilities for the {len(values)} tokens of a "
                "continuation",
                remedy="give a context that ends in a word and a continuation that begins with a space",
            )
        return Score(logprob=math.fsum(known), tokens=len(known))

    def _echo(self, text: str) -> tuple[Token, ...]:
        return read_echo(self._ask(Ask(text=text, max_tokens=1, top=1, has_echo=True)))

    def _find_border(self, tokens: Sequence[Token], context: str) -> int:
        """Find the border by the context's own tokens, where the tokens' texts do not add up to the text."""
        before = [token.text for token in self._echo(context)]
        if [token.text for token in tokens[: len(before)]] != before:
            raise ModelError(
                f"{self._info.name} does not show where the continuation begins among its tokens",
                remedy="use a server that shows whole characters, or a judge that needs no log-probabilities",
            )
        return len(before)

    def _choose_one(self, request: ChoiceRequest) -> Choice:
        context = make_inert(request.context.text)
        options = tuple(map(make_inert, request.options))
        if self._abilities.top or self._abilities.has_echo:
            choice = self._choose_by_logprobs(request, context, options)
            if choice is not None:
                return choice
        if self._abilities.constraint is not None:
            return self._choose_constrained(context, options, self._abilities.constraint)
        raise ModelError(
            f"none of the options {list(request.options)!r} is among the likeliest first tokens of "
            f"{self._info.name}, or they begin alike",
            remedy="offer options that begin differently, or use a server with constrained answers",
        )

    def _choose_by_logprobs(
        self, request: ChoiceRequest, context: str, options: tuple[str, ...]
    ) -> Choice | None:
        """Choose by the first token, or by each option whole; None where neither tells."""
        answer = self._ask(Ask(text=context, max_tokens=1, top=self._abilities.top or None))
        top = answer.tokens[0].top if answer.tokens else ()
        is_chat = self._abilities.dialect.mode is Mode.CHAT
        logprobs = share_first_token(top, options, is_chat=is_chat)
        if logprobs is None and self._abilities.has_echo:
            requests = [
                ScoreRequest(context=request.context, continuation=option) for option in request.options
            ]
            logprobs = normalise_logprobs([self._score_one(one).logprob for one in requests])
        return None if logprobs is None else Choice(logprobs=logprobs, prompt_tokens=answer.prompt_tokens)

    def _choose_constrained(self, context: str, options: tuple[str, ...], constraint: Constraint) -> Choice:
        # A token has a byte at least, so no option is cut off.
        room = max(len(option.encode()) for option in options) + SCHEMA_TOKENS
        answer = self._ask(Ask(text=context, max_tokens=room, constraint=constraint, options=options))
        verdict = read_verdict(answer.text, options, constraint)
        if verdict is None:
            raise ModelError(
                f"{self._info.name} was held to {list(options)!r} and said {answer.text[:64]!r}",
                remedy="use a server whose constrained answers keep to the constraint",
            )
        logprobs = tuple(0.0 if index == verdict else -math.inf for index in range(len(options)))
        return Choice(logprobs=logprobs, prompt_tokens=answer.prompt_tokens)


def describe_abilities(abilities: Abilities) -> Mapping[str, str]:
    """Return what probing has shown, in words for people, by what it is about."""
    ways = [
        way
        for way, has in (
            ("first-token log-probabilities", abilities.top),
            ("prompt log-probabilities", abilities.has_echo),
            (f"constrained answers ({abilities.constraint.value})" if abilities.constraint else "", True),
        )
        if has and way
    ]
    return {
        "endpoint": abilities.dialect.mode.path,
        "sampling": "the server's own",
        "choices_by": ", ".join(ways) or "nothing",
        "context": "declared" if abilities.is_context_declared else "assumed, the server does not say",
    }


def _compute_seed(request: GenerateRequest) -> int:
    """Return 31 bits that depend on the round's seed and the seat alone."""
    hasher = hashlib.sha256(_SEED_TAG)
    for part in (request.noise_seed, request.seat_key):
        hasher.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(hasher.digest()[:4], "big") >> 1


def _read_finish(word: str) -> Finish:
    if word in STOPPED:
        return Finish.STOP
    if word in CUT_OFF:
        return Finish.LENGTH
    raise ModelError(
        f"the server ended the answer with {word[:64]!r}, expected stop or length",
        remedy="ask something else, or a server without filters",
    )


def _sum_to_stop(answer: Answer, stop: Sequence[str], *, is_chat: bool) -> float:
    """Sum the log-probabilities up to the token that completes a stop string; NaN where there are none."""
    values: list[float] = []
    text = ""
    for token in answer.tokens:
        if token.logprob is None:
            return math.nan
        values.append(token.logprob)
        text += token.text
        if cut_at_stop(text.lstrip() if is_chat else text, stop) is not None:
            break
    return math.fsum(values) if values else math.nan
