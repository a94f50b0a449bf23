"""What every model backend promises: requests in, generations and log-probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

CHOICE_OPTIONS_MAX = 16
STATE_LAYERS_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt in two parts; its text is `prefix + suffix`.

    The parts are tokenised apart, so `prefix` keeps its tokens whatever follows and a backend may keep its
    key-value cache. Both are data: no backend reads a special token in them.

    Args:
        prefix: What all questions of one peer share (its few-shot block); may be empty.
        suffix: What is new in this request.
    """

    prefix: str
    suffix: str

    @property
    def text(self) -> str:
        """The whole prompt as one string."""
        return self.prefix + self.suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One continuation to sample.

    Args:
        prompt: What to continue.
        noise_seed: The round's seed; with `seat_key` and a token's position it fixes the sampling noise.
        seat_key: The answering peer's public key (any bytes; 32 in a swarm).
        temperature_milli: Sampling temperature in thousandths; 0 is greedy.
        max_tokens: Upper bound on sampled tokens, at least 1.
        stop: Strings that end the answer; the text is cut before the first of them.
    """

    prompt: Prompt
    noise_seed: bytes
    seat_key: bytes
    temperature_milli: int
    max_tokens: int
    stop: tuple[str, ...]


class Finish(Enum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One sampled continuation.

    Args:
        text: The continuation, cut before the stop string or the end token; not stripped.
        tokens: Every sampled token, those of the stop string or the end token included (an audit needs them);
            empty where a foreign server counts its tokens and does not name them.
        finish: STOP when a stop string or an end token was met, LENGTH when `max_tokens` was reached.
        prompt_tokens: Tokens of the prompt.
        logprob: Sum over the tokens of their log-probability at temperature 1, nats; NaN where a foreign
            server does not say.
        counted_tokens: How many tokens a foreign server says it sampled; None where `tokens` names them.
    """

    text: str
    tokens: tuple[int, ...]
    finish: Finish
    prompt_tokens: int
    logprob: float
    counted_tokens: int | None = None

    @property
    def token_count(self) -> int:
        """How many tokens were sampled, whether or not they are named."""
        return len(self.tokens) if self.counted_tokens is None else self.counted_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """One continuation whose log-probability is wanted.

    Args:
        context: What comes before it; must not be empty.
        continuation: The text to score, tokenised apart from the context; empty scores 0.
        state_layers: After which layers, from 1, the hidden state at the continuation's last token is wanted
            too: none, or up to STATE_LAYERS_MAX, distinct and rising; only with a continuation. It comes out
            of the pass that scores, so a score and a state of one text cost one call.
    """

    context: Prompt
    continuation: str
    state_layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How probable a model finds a continuation.

    Args:
        logprob: Sum of the tokens' log-probabilities, nats.
        tokens: Number of tokens summed over.
        states: One a layer asked for, in order: the residual stream after it (after the last layer
            normalised, as its readers get it), `(width,) float32` values.
    """

    logprob: float
    tokens: int
    states: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRequest:
    """Which of a few short continuations a model would give next.

    No option should be the beginning of another: log-probabilities are sums over tokens, and the shorter one
    would hold the mass of both.

    Args:
        context: What comes before the options; must not be empty.
        options: 2 to CHOICE_OPTIONS_MAX texts, distinct and not empty, each tokenised apart from the context.
    """

    context: Prompt
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How a model's probability is shared between the options it was given.

    Args:
        logprobs: One an option, in order: nats, normalised over the options, so that their exponentials sum
            to 1; negative infinity where the backend saw no mass, never for all of them.
        prompt_tokens: Tokens of the context.
    """

    logprobs: tuple[float, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is loaded, and what it supports.

    Args:
        name: Name for people.
        digest: SHA-256 over what is loaded (the weights file; for scripted models the parameters), or over
            what a server declares (`is_digest_declared`), 32 bytes.
        family: Model family, such as `smollm2`.
        parameters: Number of parameters; 0 for a scripted model, and where a server does not say.
        context_tokens: Most tokens of prompt and answer together.
        device: Where it runs, such as `cpu` or `cuda:0`; a server's address for a foreign one.
        has_replayable_sampling: Whether the noise of `models.sampling` decides the tokens.
        has_logprobs: Whether `score` works.
        has_choices: Whether `choose` works.
        is_digest_declared: Whether the digest rests on a server's word alone, its weights being out of reach.
        layers: After how many layers `score` gives hidden states; 0 where it gives none.
    """

    name: str
    digest: bytes
    family: str
    parameters: int
    context_tokens: int
    device: str
    has_replayable_sampling: bool
    has_logprobs: bool
    has_choices: bool
    is_digest_declared: bool = False
    layers: int = 0

    @property
    def has_states(self) -> bool:
        """Whether `score` gives hidden states."""
        return self.layers > 0

    @property
    def is_simulated(self) -> bool:
        """Whether there is no network behind it, so that its calls take no time worth measuring."""
        return self.parameters == 0 and not self.is_digest_declared


class Model(Protocol):
    """A language model; its calls block, are made from a worker thread and never overlap."""

    def info(self) -> ModelInfo:
        """Return what is loaded and what it supports."""
        ...

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Sample one continuation per request.

        Args:
            requests: Any number, none included.

        Returns:
            One generation per request, in order; the same for a request whatever else is in the batch, up to
            rounding of the last bits of the logits.

        Raises:
            ModelError: A prompt is empty or too long, a bound is out of range, or the run failed.
        """
        ...

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Compute the log-probability of each continuation in its context.

        Args:
            requests: Any number, none included; requests that share a context are cheapest side by side.

        Returns:
            One score per request, in order.

        Raises:
            ModelError: A context is empty or too long, hidden states are asked for that there are not
                (`has_states`), or the run failed.
        """
        ...

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Share each context's probability between the options of its request.

        Args:
            requests: Any number, none included.

        Returns:
            One choice per request, in order; the same for a request whatever else is in the batch, up to
            rounding of the last bits of the logits.

        Raises:
            ModelError: This model cannot (`has_choices`), a context is empty or too long, the options are too
                few, too many, empty or repeated, no option has any mass, or the run failed.
        """
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A model whose running call can be given up from another thread."""

    def interrupt(self) -> None:
        """Make the running call raise ModelError soon; without effect when none runs."""
        ...
