"""The body of `POST /v1/chat/completions`, checked field by field: what is meant, or why it is refused.

A field that cannot be honoured is refused rather than ignored, so that no answer means something else than
was asked for. Fields that change nothing about an answer (`user`, `metadata` and their like) are taken.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from consensus.genesis import SEATS_MAX
from consensus.question import TOKENS_MAX, Role, Turn, is_text
from swarm.gateway.errors import ApiError, bad_request

TEMPERATURE_MAX = 2.0  # OpenAI's bound; the protocol's is 4
MESSAGES_MAX = 256  # those without text are left out; of the others a question carries 64
STOPS_MAX = 4

Unread = msgspec.Raw  # JSON that is looked at later, if at all
NULL: Unread = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))

TokenCount = Annotated[int, Meta(ge=1, le=TOKENS_MAX)]
StopText = Annotated[str, Meta(max_length=1_024)]


class Part(msgspec.Struct):
    """One part of a message's content; only text is understood."""

    type: str
    text: str | None = None


class MessageIn(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None
    name: str | None = None
    reasoning_content: Unread = NULL  # taken, without effect: what a model thought is not what it said
    refusal: Unread = NULL
    tool_calls: Unread = NULL
    tool_call_id: Unread = NULL
    function_call: Unread = NULL
    audio: Unread = NULL
    annotations: Unread = NULL


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """OpenAI's `stream_options`; `include_obfuscation` is taken and never done."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ProgressMode(Enum):
    """How a stream says how far a round is."""

    COMMENTS = "comments"
    EVENTS = "events"
    NONE = "none"


class OnPartial(Enum):
    """What becomes of a certified answer with seats missing."""

    ACCEPT = "accept"
    REJECT = "reject"


class SwarmOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may want beyond OpenAI's interface, as the field `swarm`; headers say the same."""

    provenance: bool | None = None
    progress: ProgressMode | None = None
    on_partial: OnPartial | None = None
    banner: bool | None = None


class ChatRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Every field that clients of OpenAI's chat completions are known to send."""

    model: str
    messages: Annotated[list[MessageIn], Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=TEMPERATURE_MAX)] | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    n: Annotated[int, Meta(ge=1, le=SEATS_MAX)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=STOPS_MAX)] | None = None
    swarm: SwarmOptions | None = None
    # Taken and without effect on an answer.
    user: Unread = NULL
    metadata: Unread = NULL
    store: Unread = NULL
    service_tier: Unread = NULL
    safety_identifier: Unread = NULL
    prompt_cache_key: Unread = NULL
    prompt_cache_retention: Unread = NULL
    parallel_tool_calls: Unread = NULL
    prediction: Unread = NULL
    # Refused, but for the values that ask for nothing.
    top_p: Unread = NULL
    presence_penalty: Unread = NULL
    frequency_penalty: Unread = NULL
    logit_bias: Unread = NULL
    logprobs: Unread = NULL
    top_logprobs: Unread = NULL
    response_format: Unread = NULL
    tools: Unread = NULL
    tool_choice: Unread = NULL
    functions: Unread = NULL
    function_call: Unread = NULL
    modalities: Unread = NULL
    audio: Unread = NULL
    reasoning_effort: Unread = NULL
    verbosity: Unread = NULL
    web_search_options: Unread = NULL


# Field by field: the values, besides null, that leave the meaning of an answer as it is.
HARMLESS_VALUES: dict[str, tuple[object, ...]] = {
    "top_p": (1, 1.0),
    "presence_penalty": (0, 0.0),
    "frequency_penalty": (0, 0.0),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}
HARMLESS_MESSAGE_VALUES: dict[str, tuple[object, ...]] = {
    "refusal": ("",),
    "tool_calls": ([],),
    "tool_call_id": ("",),
    "function_call": (),
    "audio": (),
    "annotations": ([],),
}
ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for, checked. None leaves it to the swarm."""

    model: str
    turns: tuple[Turn, ...]
    temperature_milli: int | None
    tokens_max: int | None
    choices: int
    seed: int | None
    is_stream: bool
    includes_usage: bool
    has_provenance: bool
    progress: ProgressMode
    rejects_partial: bool
    has_banner: bool


_DECODER = msgspec.json.Decoder(ChatRequest)
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


def read_order(body: bytes, headers: "HeaderOptions") -> Order:
    """Read a request for an answer.

    Args:
        body: JSON.
        headers: What its headers say of the same options; the body's own words win.

    Raises:
        ApiError: It is not JSON, not of this form, or wants what the swarm cannot do.
    """
    request = _decode(body)
    for name, allowed in HARMLESS_VALUES.items():
        _check_harmless(name, getattr(request, name), allowed)
    swarm = request.swarm or SwarmOptions()
    stream_options = request.stream_options or StreamOptions()
    if request.stream_options is not None and not request.stream:
        raise bad_request("stream_options goes with stream: true", param="stream_options")
    _check_stop(request.stop)
    return Order(
        model=request.model,
        turns=read_turns(request.messages),
        temperature_milli=None if request.temperature is None else round(request.temperature * 1_000),
        tokens_max=_read_tokens(request),
        choices=1 if request.n is None else request.n,
        seed=request.seed,
        is_stream=bool(request.stream),
        includes_usage=bool(stream_options.include_usage),
        has_provenance=headers.provenance if swarm.provenance is None else swarm.provenance,
        progress=headers.progress if swarm.progress is None else swarm.progress,
        rejects_partial=(headers.on_partial if swarm.on_partial is None else swarm.on_partial)
        is OnPartial.REJECT,
        has_banner=True if swarm.banner is None else swarm.banner,
    )


@dataclass(frozen=True, slots=True)
class HeaderOptions:
    """The options of `swarm` as a client can set them in headers, where its body is not its own to shape."""

    provenance: bool = False
    progress: ProgressMode = ProgressMode.COMMENTS
    on_partial: OnPartial = OnPartial.ACCEPT


def read_header_options(
    provenance: str | None, progress: str | None, on_partial: str | None
) -> HeaderOptions:
    """Read `x-swarm-provenance`, `x-swarm-progress` and `x-swarm-on-partial`; None where one is absent.

    Raises:
        ApiError: One of them has a value that does not exist.
    """
    if provenance not in (None, "true", "false"):
        raise bad_request(_expect(provenance, "true or false"), param="x-swarm-provenance")
    modes, ends = [mode.value for mode in ProgressMode], [end.value for end in OnPartial]
    if progress is not None and progress not in modes:
        raise bad_request(_expect(progress, ", ".join(modes)), param="x-swarm-progress")
    if on_partial is not None and on_partial not in ends:
        raise bad_request(_expect(on_partial, ", ".join(ends)), param="x-swarm-on-partial")
    return HeaderOptions(
        provenance=provenance == "true",
        progress=ProgressMode(progress or ProgressMode.COMMENTS.value),
        on_partial=OnPartial(on_partial or OnPartial.ACCEPT.value),
    )


def read_turns(messages: list[MessageIn]) -> tuple[Turn, ...]:
    """Return a conversation as the turns of a question.

    Messages without text say nothing and are left out, as long as the last one is a question.

    Raises:
        ApiError: A message cannot be carried, or the last one is not the user's.
    """
    turns = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        role = ROLES[message.role]
        for name, allowed in HARMLESS_MESSAGE_VALUES.items():
            _check_harmless(name, getattr(message, name), allowed, where=f"{where}.")
        if message.name is not None:
            raise bad_request("peers are not told who of several users speaks", param=f"{where}.name")
        text = _read_content(message.content, where).encode("utf-8")
        if is_text(text):
            turns.append(Turn(int(role), text))
        elif place == len(messages) - 1:
            raise bad_request("the last message is empty, expected a question", param=f"{where}.content")
    if not turns or turns[-1].role != Role.USER:
        raise bad_request("the conversation does not end in a message of the user's", param="messages")
    return tuple(turns)


def _decode(body: bytes) -> ChatRequest:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as exc:
        raise _explain(str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise bad_request("the body is not JSON in UTF-8", code="invalid_json") from exc
    except RecursionError as exc:
        raise bad_request("the body is nested too deeply", code="invalid_json") from exc


def _explain(message: str) -> ApiError:
    """Turn msgspec's words into a message and the path of the field at fault."""
    found = _PATH.search(message)
    path = found.group(1) if found else ""
    text = _PATH.sub("", message)
    unknown = _UNKNOWN.search(text)
    if unknown:
        name = ".".join(part for part in (path, unknown.group(1)) if part)
        return bad_request(
            f"unrecognized request argument: {name[:80]}", param=name[:80], code="unknown_parameter"
        )
    return bad_request(text, param=path or None, code="invalid_type")


def _check_harmless(name: str, value: msgspec.Raw, allowed: tuple[object, ...], *, where: str = "") -> None:
    """Refuse a field that asks for something; null and the values that ask for nothing pass."""
    try:
        got = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:  # what was not looked at may not be readable
        raise bad_request(
            f"the value of {name} cannot be read", param=f"{where}{name}", code="invalid_json"
        ) from exc
    if got is None or any(got == fine and type(got) is type(fine) for fine in allowed):
        return
    raise bad_request(
        f"this swarm has no {name}", param=f"{where}{name}", code="unsupported_parameter",
        remedy="leave it out",
    )  # fmt: skip


def _check_stop(stop: str | list[str] | None) -> None:
    """Take stop sequences that no answer can contain: an answer is one line."""
    stops = [stop] if isinstance(stop, str) else stop or []
    if not all("\n" in one for one in stops):
        raise bad_request(
            "a certified answer cannot be cut at a stop sequence of the client's",
            param="stop",
            code="unsupported_parameter",
            remedy="leave it out; an answer is one line, so sequences with a line break hold by themselves",
        )


def _read_tokens(request: ChatRequest) -> int | None:
    old, new = request.max_tokens, request.max_completion_tokens
    if old is not None and new is not None and old != new:
        raise bad_request("max_tokens and max_completion_tokens differ", param="max_tokens")
    return old if new is None else new


def _read_content(content: str | list[Part] | None, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    texts = []
    for place, part in enumerate(content):
        if part.type != "text" or part.text is None:
            raise bad_request(
                f"got a part of type {part.type[:40]!r}, expected text",
                param=f"{where}.content[{place}]",
                code="unsupported_content",
            )
        texts.append(part.text)
    return "\n".join(texts)


def _expect(got: str, expected: str) -> str:
    return f"got {got[:40]!r}, expected {expected}"
