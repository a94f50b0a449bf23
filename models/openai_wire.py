"""The OpenAI-compatible wire format: requests to JSON, and JSON of unknown goodwill to checked answers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import msgspec

from models.errors import ModelError

Decoded = TypeVar("Decoded")

# Rounding may lift a certain token a little above zero.
LOGPROB_MAX = 1e-3
# Some servers take no more; `cut_at_stop` finds the others in what comes back.
STOP_STRINGS_SENT_MAX = 4
CHAT_INSTRUCTION = "Continue this text. Write only what comes next, on one line, and nothing else."
# Room for the braces and the name of the one field around a choice, in tokens.
SCHEMA_TOKENS = 24
SCHEMA_FIELD = "choice"

# What tokenizers take for marks of their own: <|im_end|>, <s>, </s>, <start_of_turn>, [INST], [gMASK].
_SPECIAL = re.compile(r"<(?=[|\uff5c]|/?[A-Za-z_][\w:.\-]*>)|\[(?=/?g?[A-Z_]{2,}\d*\])")


class Mode(Enum):
    """Which of a server's two ways to generate is used."""

    COMPLETIONS = "completions"
    CHAT = "chat"

    @property
    def path(self) -> str:
        """What follows the base address."""
        return "/completions" if self is Mode.COMPLETIONS else "/chat/completions"


class Constraint(Enum):
    """How a server is made to answer with one of a few texts."""

    STRUCTURED = "structured_outputs"  # vLLM from 0.11
    GUIDED = "guided_choice"  # vLLM before
    GRAMMAR = "grammar"  # llama.cpp
    SCHEMA = "json_schema"  # hosted servers, Ollama, LM Studio; chat only


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one server wants to be spoken to.

    Args:
        mode: Raw completions or chat.
        model: The model's name on the server.
        limit_field: What it calls the bound on sampled tokens.
    """

    mode: Mode
    model: str
    limit_field: str = "max_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to continue a text.

    Args:
        text: The text, inert (`make_inert`).
        max_tokens: Upper bound on sampled tokens.
        temperature: Sampling temperature; 0 is greedy.
        seed: Fixes the sampling on servers that care, 0..2^31-1.
        stop: Strings that end the answer; sent as far as STOP_STRINGS_SENT_MAX, and never in chat.
        top: How many log-probabilities a token to ask for; None for none.
        has_echo: Whether the text's own log-probabilities are wanted too.
        constraint: How to make the server choose between `options`; None without.
        options: The only answers allowed under `constraint`.
    """

    text: str
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top: int | None = None
    has_echo: bool = False
    constraint: Constraint | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as a server names it.

    Args:
        text: Its text; U+FFFD stands for a part of a character.
        logprob: Nats, not above 0; None for the first token of a text.
        top: The likeliest tokens in its place and their log-probabilities.
    """

    text: str
    logprob: float | None
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, checked.

    Args:
        text: The continuation; with echo the text before it too.
        tokens: Its tokens where the server tells; empty else.
        finish: The server's word for why it ended.
        prompt_tokens: Tokens of the prompt.
        sampled_tokens: Tokens that were sampled.
    """

    text: str
    tokens: tuple[Token, ...]
    finish: str
    prompt_tokens: int
    sampled_tokens: int


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0


class _TopToken(msgspec.Struct):
    token: str
    logprob: float


class _ContentToken(msgspec.Struct):
    token: str
    logprob: float
    top_logprobs: list[_TopToken] | None = None


class _Logprobs(msgspec.Struct):
    """Both shapes: parallel lists of raw completions, and the list of chat, which llama.cpp uses for both."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    content: list[_ContentToken] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage


def make_inert(text: str) -> str:
    """Part what a server's tokenizer could take for a special token: it reads them out of plain text.

    A space goes behind the bracket, so tags such as `<b>` are parted too. Lone surrogates, which UTF-8 has
    no bytes for, become question marks.
    """
    return _SPECIAL.sub(r"\g<0> ", text).encode("utf-8", "replace").decode("utf-8")


def encode_ask(ask: Ask, dialect: Dialect) -> bytes:
    """Return the JSON body of a request."""
    body: dict[str, object] = {
        "model": dialect.model,
        dialect.limit_field: ask.max_tokens,
        "temperature": ask.temperature,
    }
    if ask.seed is not None:
        body["seed"] = ask.seed
    if dialect.mode is Mode.CHAT:
        # No stop strings: chat models like to begin with a line break, which would end them at once.
        content = f"{CHAT_INSTRUCTION}\n\n{ask.text}"
        body["messages"] = [{"role": "user", "content": content}]
        if ask.top is not None:
            body |= {"logprobs": True, "top_logprobs": ask.top}
    else:
        body["prompt"] = ask.text
        if ask.stop:
            body["stop"] = ask.stop[:STOP_STRINGS_SENT_MAX]
        if ask.top is not None:
            body["logprobs"] = ask.top
        if ask.has_echo:
            body["echo"] = True
    return msgspec.json.encode(body | _encode_constraint(ask))


def _encode_constraint(ask: Ask) -> dict[str, object]:
    match ask.constraint:
        case None:
            return {}
        case Constraint.STRUCTURED:
            return {"structured_outputs": {"choice": ask.options}}
        case Constraint.GUIDED:
            return {"guided_choice": ask.options}
        case Constraint.GRAMMAR:
            # JSON's escapes are those of the grammar's literals.
            literals = [msgspec.json.encode(option).decode() for option in ask.options]
            return {"grammar": f"root ::= {' | '.join(literals)}"}
        case Constraint.SCHEMA:
            schema = {
                "type": "object",
                "properties": {SCHEMA_FIELD: {"type": "string", "enum": ask.options}},
                "required": [SCHEMA_FIELD],
                "additionalProperties": False,
            }
            named = {"name": SCHEMA_FIELD, "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}


def decode_json(body: bytes, kind: type[Decoded], *, what: str) -> Decoded:
    """Decode and check JSON of unknown goodwill; fields nobody asked for are ignored.

    Args:
        body: The bytes.
        kind: What they must hold.
        what: Names them in the message.

    Returns:
        The value.

    Raises:
        ModelError: The bytes are no JSON, or hold something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _refuse(f"{what} is not as expected: {exc}") from exc


def decode_answer(body: bytes) -> Answer:
    """Decode and check the answer to a request of either mode.

    Args:
        body: The bytes.

    Returns:
        The answer.

    Raises:
        ModelError: Something is absent, of another type, or impossible.
    """
    completion = decode_json(body, _Completion, what="the server's answer")
    if len(completion.choices) != 1:
        raise _refuse(f"the server's answer holds {len(completion.choices)} choices, expected 1")
    (choice,) = completion.choices
    text = choice.message.content if choice.message is not None else choice.text
    usage = completion.usage
    if usage.prompt_tokens < 0 or usage.completion_tokens < 0:
        raise _refuse(
            f"the server counts {usage.prompt_tokens} and {usage.completion_tokens} tokens, "
            "expected none below 0"
        )
    return Answer(
        # A chat model that spent its tokens thinking says nothing, which is null here.
        text=text or "",
        tokens=_read_tokens(choice.logprobs) if choice.logprobs is not None else (),
        finish=choice.finish_reason or "",
        prompt_tokens=usage.prompt_tokens,
        sampled_tokens=usage.completion_tokens,
    )


def _read_tokens(found: _Logprobs) -> tuple[Token, ...]:
    if found.content is not None:
        return tuple(
            Token(
                text=item.token,
                logprob=_check_logprob(item.logprob),
                top=tuple((one.token, _check_logprob(one.logprob)) for one in item.top_logprobs or ()),
            )
            for item in found.content
        )
    texts, values = found.tokens or [], found.token_logprobs or []
    tops = found.top_logprobs or [None] * len(texts)
    if not len(texts) == len(values) == len(tops):
        raise _refuse(
            f"the server names {len(texts)} tokens, {len(values)} log-probabilities and {len(tops)} lists of "
            "the likeliest, expected as many of each"
        )
    return tuple(
        Token(
            text=text,
            logprob=None if value is None else _check_logprob(value),
            top=tuple((name, _check_logprob(one)) for name, one in (top or {}).items()),
        )
        for text, value, top in zip(texts, values, tops, strict=True)
    )


def read_echo(answer: Answer) -> tuple[Token, ...]:
    """Return the tokens of the prompt out of an answer with echo.

    Args:
        answer: It holds the prompt's tokens and then the sampled ones, or the prompt's alone.

    Returns:
        As many as the server counts in the prompt; all but the first have a log-probability.

    Raises:
        ModelError: The server named only what it sampled, as llama.cpp does, or left one out.
    """
    count = answer.prompt_tokens
    if not 0 < count <= len(answer.tokens) <= count + answer.sampled_tokens:
        raise _refuse(
            f"the server names {len(answer.tokens)} tokens, expected {count} of the prompt and then "
            f"{answer.sampled_tokens} sampled ones"
        )
    tokens = answer.tokens[:count]
    absent = sum(token.logprob is None for token in tokens[1:])
    if absent:
        raise _refuse(f"the server leaves out {absent} of {count} log-probabilities of the prompt")
    return tokens


def _check_logprob(value: float) -> float:
    if math.isnan(value) or value > LOGPROB_MAX:
        raise _refuse(f"the server gives the log-probability {value}, expected at most 0")
    return min(value, 0.0)


def _refuse(what: str) -> ModelError:
    return ModelError(what, remedy="use a server that keeps to the OpenAI format, or mend its version")


def find_continuation(tokens: Sequence[Token], context: str, continuation: str) -> int | None:
    """Find where a continuation begins in the tokens of an echoed text.

    A token across the border belongs to the continuation: servers tokenise the text as a whole.

    Args:
        tokens: Those of the echoed text.
        context: What comes before the continuation.
        continuation: The rest of the text.

    Returns:
        Index of the continuation's first token; None where the tokens' texts do not add up to the text, as
        happens where a token holds a part of a character only.
    """
    text = context + continuation
    place, border = 0, None
    for index, token in enumerate(tokens):
        # A start token of the model's own, such as <s>, is not in the text.
        is_start = index == 0 and token.logprob is None and not text.startswith(token.text)
        if not is_start:
            if not text.startswith(token.text, place):
                return None
            place += len(token.text)
        if border is None and place > len(context):
            border = index
    return border if place == len(text) else None


def cut_at_stop(text: str, stop: Sequence[str]) -> str | None:
    """Return the text before the first stop string in it, or None where there is none."""
    places = [place for place in (text.find(one) for one in stop if one) if place >= 0]
    return text[: min(places)] if places else None
