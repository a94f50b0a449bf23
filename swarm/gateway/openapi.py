"""The OpenAPI 3.1 description, made of the very types that requests are read into and answers made of."""

from importlib.metadata import version

import msgspec

from swarm.edge.report import Json
from swarm.gateway.errors import ErrorReply
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.lookups import SEARCH_CHARS_MAX
from swarm.gateway.replies import (
    ChatCompletion,
    ChatCompletionChunk,
    Health,
    ModelCard,
    ModelList,
    RoundDetails,
    RoundList,
)
from swarm.gateway.requests import (
    HARMLESS_MESSAGE_VALUES,
    HARMLESS_VALUES,
    ChatRequest,
    OnPartial,
    ProgressMode,
)

REF = "#/components/schemas/{name}"
JSON_TYPE = "application/json"
BODIES = (ErrorReply, ChatRequest, ChatCompletion, ChatCompletionChunk, ModelList, ModelCard, RoundList)
ERRORS = {
    400: "The request is at fault; `param` names the field.",
    401: "There is no valid API key in the request.",
    403: "The name in `Host`, or the page in `Origin`, is not one that may ask.",
    404: "There is no such thing here, or it is not this key's to see.",
    405: "This method is not for this path.",
    408: "The body did not come in time.",
    413: "The body is too long.",
    415: "The body is not declared as JSON.",
    429: "A limit is reached; `Retry-After` says when it is not.",
    500: "The gateway has made a mistake.",
    503: "There is no answer, or none can be given now.",
}


def make_openapi(limits: GatewayLimits) -> bytes:
    """Return the description as JSON."""
    document: dict[str, Json] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Peerage gateway",
            "version": version("peerage"),
            "summary": "A swarm of language models behind OpenAI's chat completions.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": {
            "/v1/chat/completions": {"post": _describe_chat()},
            "/v1/models": {"get": _get("list_models", "All models.", _reply(ModelList))},
            "/v1/models/{model}": {
                "get": _get(
                    "get_model", "One model.", _reply(ModelCard), [_path("model", {"type": "string"})], (404,)
                )
            },
            "/v1/rounds": {"get": _describe_rounds(limits)},
            "/v1/rounds/{round_id}": {
                "get": _get(
                    "get_round",
                    "A round, with what its receipt says.",
                    _reply(RoundDetails),
                    [_ROUND],
                    (400, 404, 429, 503),
                )
            },
            "/v1/rounds/{round_id}/receipt": {
                "get": _get(
                    "get_receipt",
                    "A round's receipt, byte for byte; `peerage verify` checks it.",
                    {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                    [_ROUND],
                    (400, 404, 429, 503),
                )
            },
            "/v1/rounds/{round_id}/events": {"get": _describe_events()},
            "/healthz": {"get": _open(_get("get_health", "Whether the process answers.", _reply(Health)))},
            "/readyz": {"get": _open(_describe_readiness())},
            "/metrics": {
                "get": _get(
                    "get_metrics", "Counters for Prometheus.", {"text/plain": {"schema": {"type": "string"}}}
                )
            },
            "/openapi.json": {
                "get": _open(
                    _get("get_openapi", "This description.", {JSON_TYPE: {"schema": {"type": "object"}}})
                )
            },
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _make_schemas(),
        },
    }
    return msgspec.json.encode(document)


def _describe_chat() -> dict[str, Json]:
    stream: dict[str, Json] = {
        "text/event-stream": {
            "schema": {"type": "string", "description": "ChatCompletionChunk events, then [DONE]."}
        }
    }
    headers: list[Json] = [
        _header("x-swarm-provenance", ["true", "false"]),
        _header("x-swarm-progress", [mode.value for mode in ProgressMode]),
        _header("x-swarm-on-partial", [end.value for end in OnPartial]),
    ]
    described = _get(
        "create_chat_completion",
        "Ask the swarm.",
        _reply(ChatCompletion) | stream,
        headers,
        (400, 404, 408, 413, 415, 429, 503),
    )
    return described | {"requestBody": {"required": True, "content": _reply(ChatRequest)}}


def _describe_rounds(limits: GatewayLimits) -> dict[str, Json]:
    parameters: list[Json] = [
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": limits.rounds_listed_max},
        },
        {"name": "after", "in": "query", "schema": _ROUND_ID, "description": "`last_id` of the page before."},
        {
            "name": "search",
            "in": "query",
            "schema": {"type": "string", "maxLength": SEARCH_CHARS_MAX},
            "description": "What question or answer must contain, whatever the case.",
        },
    ]
    return _get("list_rounds", "Rounds, newest first.", _reply(RoundList), parameters, (400, 404, 429, 503))


def _describe_events() -> dict[str, Json]:
    follow: Json = {
        "name": "follow",
        "in": "query",
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Go on until the round has ended.",
    }
    lines: Json = {
        "application/jsonl": {"schema": {"type": "string", "description": "Events, one object a line."}}
    }
    return _get("get_events", "What happened in a round.", lines, [_ROUND, follow], (400, 404, 503))


def _describe_readiness() -> dict[str, Json]:
    described = _get("get_readiness", "Whether questions are taken.", _reply(Health))
    responses = described["responses"]
    assert isinstance(responses, dict), "made so"
    return described | {
        "responses": responses | {"503": {"description": "Not now.", "content": _reply(Health)}}
    }


def _make_schemas() -> dict[str, Json]:
    """Return the schemas of all bodies; of what must ask for nothing, the values that do."""
    _, schemas = msgspec.json.schema_components((*BODIES, RoundDetails, Health), ref_template=REF)
    for name, allowed in (("ChatRequest", HARMLESS_VALUES), ("MessageIn", HARMLESS_MESSAGE_VALUES)):
        properties = schemas[name]["properties"]
        properties |= {field: {"enum": [None, *values]} for field, values in allowed.items()}
    return schemas


def _get(
    operation: str,
    summary: str,
    content: Json,
    parameters: list[Json] | None = None,
    errors: tuple[int, ...] = (),
) -> dict[str, Json]:
    """Return an operation with its errors, those at the door included."""
    responses: dict[str, Json] = {"200": {"description": "As asked.", "content": content}}
    for status in sorted({401, 403, 405, *errors}):
        responses[str(status)] = {"description": ERRORS[status], "content": _reply(ErrorReply)}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": parameters or [],
        "responses": responses,
    }


def _open(operation: dict[str, Json]) -> dict[str, Json]:
    """Return an operation that needs no key."""
    return operation | {"security": []}


def _reply(kind: type[msgspec.Struct]) -> dict[str, Json]:
    return {JSON_TYPE: {"schema": {"$ref": REF.format(name=kind.__name__)}}}


def _path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _header(name: str, values: list[str]) -> Json:
    return {"name": name, "in": "header", "schema": {"type": "string", "enum": list(values)}}


_ROUND_ID: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ROUND = _path("round_id", _ROUND_ID)
