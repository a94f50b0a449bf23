"""What a foreign server can do, found by asking: it is believed only where its answers add up."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from http import HTTPStatus
from typing import TypeVar

import msgspec

from models.errors import ModelError
from models.openai_choice import read_verdict
from models.openai_http import HttpServer, Reply
from models.openai_spec import KEY_VARIABLE, MODEL_CHARS_MAX, OpenAISpec
from models.openai_wire import (
    SCHEMA_TOKENS,
    Answer,
    Ask,
    Constraint,
    Dialect,
    Mode,
    decode_answer,
    decode_json,
    encode_ask,
    find_continuation,
    read_echo,
)

Read = TypeVar("Read", int, str)

# Assumed where a server does not say: small enough for every server in use, Ollama's default included.
CONTEXT_TOKENS_ASSUMED = 4_096
CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length")
CONTEXT_META_FIELDS = ("n_ctx", "n_ctx_train")
# What describes weights and stays the same from call to call; `created` does not on some servers.
DECLARED_META_FIELDS = ("n_embd", "n_params", "n_vocab", "size", "vocab_type")
MODELS_NAMED_MAX = 8
MODELS_PATH = "/models"
# Most that servers give: vLLM and hosted chat 20, hosted completions 5.
TOP_COUNTS = (20, 5)
LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")

PROBE_CONTEXT = "Question: What is the capital of Italy?\nAnswer:"
PROBE_CONTINUATION = " Rome\n"
# Nothing a model would say of its own accord: who says one of these was constrained.
PROBE_OPTIONS = (" violin", " zebra")
PROBE_OPTION_TOKENS = 8
PROBE_LOGPROB_MAX = -1e-6
_TAG = b"peerage/1/openai-declared\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What was found out about a model on a server.

    Args:
        dialect: How to speak to it.
        digest: SHA-256 over what the server declares of the model, 32 bytes.
        parameters: As declared; 0 where the server does not say.
        context_tokens: As declared; CONTEXT_TOKENS_ASSUMED where the server does not say.
        is_context_declared: Whether the server said.
        has_echo: Whether it gives the log-probabilities of a prompt, and all of them.
        top: How many log-probabilities a sampled token it gives; 0 for none.
        constraint: How it can be held to a few answers; None where it cannot.
    """

    dialect: Dialect
    digest: bytes
    parameters: int
    context_tokens: int
    is_context_declared: bool
    has_echo: bool
    top: int
    constraint: Constraint | None


class _ModelList(msgspec.Struct):
    data: list[dict[str, msgspec.Raw]]


def probe_server(server: HttpServer, spec: OpenAISpec) -> Abilities:
    """Find out what a model on a server can do, by its list of models and a few requests of a token or so.

    Args:
        server: Where to ask.
        spec: Which model; empty for the only one there is.

    Returns:
        What was found.

    Raises:
        ModelError: The server cannot be reached or wants another key, has no such model, or generates
            nothing that can be read.
    """
    entry = _find_entry(server, spec)
    meta = _read_meta(entry)
    model = _read(entry, "id", str) or spec.model
    dialect = _find_dialect(server, model)
    context = next(
        (
            value
            for fields, names in ((entry, CONTEXT_FIELDS), (meta, CONTEXT_META_FIELDS))
            for name in names
            if (value := _read(fields, name, int)) is not None and 0 < value < 2**31
        ),
        None,
    )
    return Abilities(
        dialect=dialect,
        digest=_compute_digest(model, entry, meta),
        parameters=max(0, _read(meta, "n_params", int) or 0),
        context_tokens=context or CONTEXT_TOKENS_ASSUMED,
        is_context_declared=context is not None,
        has_echo=dialect.mode is Mode.COMPLETIONS and _has_echo(server, dialect),
        top=_find_top(server, dialect),
        constraint=_find_constraint(server, dialect),
    )


def post_ask(server: HttpServer, ask: Ask, dialect: Dialect) -> Reply:
    """Post one request.

    Args:
        server: Where to.
        ask: The request.
        dialect: How the server wants it.

    Returns:
        The reply, of status 200 or one that says that the server will not or cannot.

    Raises:
        ModelError: No reply came, the key was refused, or the server is in trouble.
    """
    reply = server.request(dialect.mode.path, encode_ask(ask, dialect))
    return _check_trouble(server, reply)


def _check_trouble(server: HttpServer, reply: Reply) -> Reply:
    if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ModelError(
            f"the server refused the key ({server.describe_refusal(reply)})",
            remedy=f"set {KEY_VARIABLE} to a key that this server knows",
        )
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        raise ModelError(
            f"the server points elsewhere (HTTP {reply.status}), expected an answer",
            remedy="give the address that it points to; redirects are not followed, for the key's sake",
        )
    is_trouble = reply.status == HTTPStatus.TOO_MANY_REQUESTS or reply.status > HTTPStatus.NOT_IMPLEMENTED
    if is_trouble:
        raise ModelError(
            f"the server is busy or broken ({server.describe_refusal(reply)})",
            remedy="ask again later, or fewer peers at once",
        )
    return reply


def _find_entry(server: HttpServer, spec: OpenAISpec) -> Mapping[str, msgspec.Raw]:
    """Return what the server declares of the model; empty where it has no list of models."""
    reply = _check_trouble(server, server.request(MODELS_PATH))
    if reply.status != HTTPStatus.OK:
        if spec.model:
            return {}
        raise ModelError(
            f"the server lists no models ({server.describe_refusal(reply)})",
            remedy="name the model: openai:MODEL@BASE_URL; does the address end in /v1?",
        )
    entries = decode_json(reply.body, _ModelList, what="the server's list of models").data
    # Names are shown and logged, so those that no terminal shows are no names.
    names = [
        name
        for entry in entries
        if (name := _read(entry, "id", str)) and name.isprintable() and len(name) <= MODEL_CHARS_MAX
    ]
    wanted = spec.model or (names[0] if len(names) == 1 else "")
    for entry in entries:
        if wanted and _read(entry, "id", str) == wanted:
            return entry
    shown = ", ".join(repr(name[:64]) for name in names[:MODELS_NAMED_MAX]) or "none"
    more = f" and {len(names) - MODELS_NAMED_MAX} more" if len(names) > MODELS_NAMED_MAX else ""
    near = get_close_matches(spec.model, names, n=1)
    hint = f"did you mean {near[0][:64]!r}? " if near else ""
    raise ModelError(
        f"the server has no model {spec.model!r}" if spec.model else f"the server has {len(names)} models",
        remedy=f"{hint}name one that it has: {shown}{more}",
    )


def _read(fields: Mapping[str, msgspec.Raw], name: str, kind: type[Read]) -> Read | None:
    """Return a field that a server may well leave out or give another type."""
    if name not in fields:
        return None
    try:
        return msgspec.json.decode(fields[name], type=kind)
    except msgspec.MsgspecError:
        return None


def _read_meta(entry: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(entry["meta"], type=dict[str, msgspec.Raw]) if "meta" in entry else {}
    except msgspec.MsgspecError:
        return {}


def _compute_digest(model: str, entry: Mapping[str, msgspec.Raw], meta: Mapping[str, msgspec.Raw]) -> bytes:
    declared: list[object] = ["id", model, "root", _read(entry, "root", str)]
    declared += [(name, _read(meta, name, int)) for name in DECLARED_META_FIELDS]
    return hashlib.sha256(_TAG + msgspec.json.encode(declared)).digest()


def _find_dialect(server: HttpServer, model: str) -> Dialect:
    """Take raw completions where they work, because the prompts are made for them; else chat."""
    refusals: list[str] = []
    ask = Ask(text=PROBE_CONTEXT, max_tokens=1)
    for mode in Mode:
        for field in LIMIT_FIELDS:
            dialect = Dialect(mode=mode, model=model, limit_field=field)
            reply = post_ask(server, ask, dialect)
            if reply.status == HTTPStatus.OK:
                decode_answer(reply.body)
                return dialect
            if reply.status != HTTPStatus.BAD_REQUEST:
                break
        refusals.append(f"{mode.path}: {server.describe_refusal(reply)}")
    raise ModelError(
        f"the server generates nothing with {model!r} ({'; '.join(refusals)})",
        remedy="check the model's name and that the address ends in /v1",
    )


def _try(server: HttpServer, ask: Ask, dialect: Dialect) -> Answer | None:
    """Ask for something that not every server has; what cannot be read is as good as refused."""
    reply = post_ask(server, ask, dialect)
    if reply.status != HTTPStatus.OK:
        return None
    try:
        return decode_answer(reply.body)
    except ModelError:
        return None


def _has_echo(server: HttpServer, dialect: Dialect) -> bool:
    text = PROBE_CONTEXT + PROBE_CONTINUATION
    answer = _try(server, Ask(text=text, max_tokens=1, top=1, has_echo=True), dialect)
    if answer is None:
        return False
    try:
        tokens = read_echo(answer)
    except ModelError:
        return False
    border = find_continuation(tokens, PROBE_CONTEXT, PROBE_CONTINUATION)
    # Some servers fill the list with zeros.
    is_alive = any(token.logprob is not None and token.logprob < PROBE_LOGPROB_MAX for token in tokens)
    return border is not None and border > 0 and is_alive


def _find_top(server: HttpServer, dialect: Dialect) -> int:
    for top in TOP_COUNTS:
        answer = _try(server, Ask(text=PROBE_CONTEXT, max_tokens=1, top=top), dialect)
        if answer is not None and answer.tokens and answer.tokens[0].top:
            return top
    return 0


def _find_constraint(server: HttpServer, dialect: Dialect) -> Constraint | None:
    kinds: Sequence[Constraint] = [
        kind for kind in Constraint if kind is not Constraint.SCHEMA or dialect.mode is Mode.CHAT
    ]
    ask = Ask(text=PROBE_CONTEXT, max_tokens=PROBE_OPTION_TOKENS + SCHEMA_TOKENS, options=PROBE_OPTIONS)
    for kind in kinds:
        answer = _try(server, replace(ask, constraint=kind), dialect)
        if answer is not None and read_verdict(answer.text, PROBE_OPTIONS, kind) is not None:
            return kind
    return None
