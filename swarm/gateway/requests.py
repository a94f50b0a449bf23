"""The body of `POST /v1/chat/completions`, checked field by field: what is meant, or why it is refused.

A field that cannot be honoured is refused rather than ignored, so that no answer means something else than
was asked for. Fields that change nothing about an answer (`user`, `metadata` and their like) are taken.
"""

import re
from dataclasses import dataclass
from enum import Enum

import msgspec

from consensus.question import TOKENS_MAX, Role, Turn, is_text
from swarm.gateway.errors import ApiError, bad_request

TEMPERATURE_MAX = 2.0  # OpenAI's bound; the protocol's is 4
SEED_MAX = 2**63 - 1
STOPS_MAX = 4
RAW_NULL = msgspec.Raw(b"null")


class Part(msgspec.Struct):
    """One part of a message's content; only text is understood."""

    type: str
    text: str | None = None


class MessageIn(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a conversation."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: msgspec.Raw = RAW_NULL
    tool_call_id: str | None = None
    function_call: msgspec.Raw = RAW_NULL
    audio: msgspec.Raw = RAW_NULL
    annotations: msgspec.Raw = RAW_NULL


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
    messages: list[MessageIn]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    swarm: SwarmOptions | None = None
    # Taken and without effect on an answer.
    user: msgspec.Raw = RAW_NULL
    metadata: msgspec.Raw = RAW_NULL
    store: msgspec.Raw = RAW_NULL
    service_tier: msgspec.Raw = RAW_NULL
    safety_identifier: msgspec.Raw = RAW_NULL
    prompt_cache_key: msgspec.Raw = RAW_NULL
    prompt_cache_retention: msgspec.Raw = RAW_NULL
    parallel_tool_calls: msgspec.Raw = RAW_NULL
    prediction: msgspec.Raw = RAW_NULL
    # Refused, but for the values that ask for nothing.
    top_p: msgspec.Raw = RAW_NULL
    presence_penalty: msgspec.Raw = RAW_NULL
    frequency_penalty: msgspec.Raw = RAW_NULL
    logit_bias: msgspec.Raw = RAW_NULL
    logprobs: msgspec.Raw = RAW_NULL
    top_logprobs: msgspec.Raw = RAW_NULL
    response_format: msgspec.Raw = RAW_NULL
    tools: msgspec.Raw = RAW_NULL
    tool_choice: msgspec.Raw = RAW_NULL
    functions: msgspec.Raw = RAW_NULL
    function_call: msgspec.Raw = RAW_NULL
    modalities: msgspec.Raw = RAW_NULL
    audio: msgspec.Raw = RAW_NULL
    reasoning_effort: msgspec.Raw = RAW_NULL
    verbosity: msgspec.Raw = RAW_NULL
    web_search_options: msgspec.Raw = RAW_NULL


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
    "tool_calls": ([],),
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
        temperature_milli=_read_temperature(request.temperature),
        tokens_max=_read_tokens(request),
        choices=_read_bounded("n", request.n, 1, 31) or 1,
        seed=_read_bounded("seed", request.seed, -SEED_MAX - 1, SEED_MAX),
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
        role = ROLES.get(message.role)
        if role is None:
            raise bad_request(
                f"got role {message.role[:40]!r}, expected {', '.join(ROLES)}", param=f"{where}.role"
            )
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
    got = msgspec.json.decode(value)
    if got is None or any(got == fine and type(got) is type(fine) for fine in allowed):
        return
    raise bad_request(
        f"this swarm has no {name}", param=f"{where}{name}", code="unsupported_parameter",
        remedy="leave it out",
    )  # fmt: skip


def _check_stop(stop: str | list[str] | None) -> None:
    """Take stop sequences that no answer can contain: an answer is one line."""
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > STOPS_MAX:
        raise bad_request(f"got {len(stops)} stop sequences, expected at most {STOPS_MAX}", param="stop")
    if not all("\n" in one for one in stops):
        raise bad_request(
            "a certified answer cannot be cut at a stop sequence of the client's",
            param="stop",
            code="unsupported_parameter",
            remedy="leave it out; an answer is one line, so sequences with a line break hold by themselves",
        )


def _read_temperature(temperature: float | None) -> int | None:
    if temperature is None:
        return None
    if not 0.0 <= temperature <= TEMPERATURE_MAX:
        raise bad_request(
            f"got temperature {temperature:g}, expected 0 to {TEMPERATURE_MAX:g}", param="temperature"
        )
    return round(temperature * 1_000)


def _read_tokens(request: ChatRequest) -> int | None:
    old = _read_bounded("max_tokens", request.max_tokens, 1, TOKENS_MAX)
    new = _read_bounded("max_completion_tokens", request.max_completion_tokens, 1, TOKENS_MAX)
    if old is not None and new is not None and old != new:
        raise bad_request("max_tokens and max_completion_tokens differ", param="max_tokens")
    return old if new is None else new


def _read_bounded(name: str, value: int | None, low: int, high: int) -> int | None:
    if value is not None and not low <= value <= high:
        raise bad_request(f"got {name} {value}, expected {low} to {high}", param=name)
    return value


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
