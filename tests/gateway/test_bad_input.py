"""What clients send that cannot be answered: the right status, the form, the field named, nothing leaked."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from swarm.gateway.requests import HARMLESS_VALUES
from tests.gateway.kit import KEY, MESSAGES, QUESTION, Up, open_gateway

USER = {"role": "user", "content": QUESTION}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with open_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def post(up: Up, body: bytes, kind: str = "application/json") -> tuple[int, dict[str, str | None]]:
    answer = up.open_http().post("/v1/chat/completions", content=body, headers={"content-type": kind})
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return answer.status_code, error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model":"swarm"',
        b'{"metadata":' + b"[" * 100_000,
        b'{"metadata":' + b'{"a":' * 100_000,
        b'{"model":NaN}',
        b'{"model":"\\ud800","messages":[]}',
        b'{"model":"\xff"}',
    ],
)
def test_what_is_no_json_is_refused(up: Up, body: bytes) -> None:
    status, error = post(up, body)
    assert (status, error["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [USER] * 257}, "messages"),
        ({"messages": [USER] * 65}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": "no role"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "  "}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [USER, {"role": "assistant", "content": "prefilled"}]}, "messages"),
        ({"messages": [{"role": "system", "content": "only that"}]}, "messages"),
        ({"messages": [USER | {"name": "bob"}]}, "messages[0].name"),
        ({"messages": [USER | {"colour": "red"}]}, "messages[0].colour"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}, USER]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "user", "content": "x" * 70_000}]}, "messages"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 4_097}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 5}, "n"),
        ({"n": 10**30}, "n"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"other": True}}, "stream_options.other"),
        ({"stop": "."}, "stop"),
        ({"stop": ["\n", "."]}, "stop"),
        ({"stop": ["\n"] * 5}, "stop"),
        ({"top_p": 0.9}, "top_p"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"top_k": 5}, "top_k"),
        ({"swarm": {"on_partial": "maybe"}}, "swarm.on_partial"),
        ({"swarm": {"progress": 1}}, "swarm.progress"),
        ({"swarm": {"trust": True}}, "swarm.trust"),
        ({"swarm": []}, "swarm"),
    ],
)
def test_a_field_that_cannot_be_honoured_is_refused_by_name(
    up: Up, change: dict[str, object], param: str
) -> None:
    body = json.dumps({"model": "swarm", "messages": MESSAGES} | change).encode()
    status, error = post(up, body)
    assert status == 400, error
    assert error["param"] == param, error
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_must_be_there_is_asked_for(up: Up, name: str) -> None:
    fields = {"model": "swarm", "messages": MESSAGES}
    del fields[name]
    status, error = post(up, json.dumps(fields).encode())
    assert status == 400
    assert name in str(error["message"])


def test_fields_that_ask_for_nothing_are_taken(up: Up) -> None:
    harmless = {name: values[0] for name, values in HARMLESS_VALUES.items() if values}
    ignored = {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto"}
    nulls = dict.fromkeys(("temperature", "max_tokens", "n", "seed", "stop", "stream_options", "swarm"))
    body = {"model": "swarm", "messages": MESSAGES, **harmless, **ignored, **nulls}
    answer = up.open_http().post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert up.ask(stop="\n").status_code == 200
    assert up.ask(stop=["\n\n", "\nQuestion:"]).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"])
def test_a_body_of_another_type_is_refused(up: Up, kind: str) -> None:
    status, error = post(up, json.dumps({"model": "swarm", "messages": MESSAGES}).encode(), kind)
    assert (status, error["code"]) == (415, "unsupported_media_type")


def test_an_enormous_body_is_refused_before_it_is_read(up: Up) -> None:
    client = up.open_raw()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {client.host}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {10**12}\r\n\r\n"
    )
    client.socket.sendall(head.encode())
    seen = client.read_until(b"body_too_large")
    assert seen.startswith(b"HTTP/1.1 413")


def test_an_enormous_body_that_does_not_say_so_is_refused_too(up: Up) -> None:
    client = up.open_raw()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {client.host}\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    client.socket.sendall(head.encode())
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with suppress(ConnectionError):  # refused meanwhile
        for _ in range(64):
            client.socket.sendall(piece)
    with suppress(ConnectionError):  # what it said may be lost with what it did not read
        assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 413")
    assert up.ask().status_code == 200


def test_headers_that_are_too_long_are_refused(up: Up) -> None:
    client = up.open_raw()
    try:
        client.socket.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 1_000_000)
        seen = client.read_all()
    except ConnectionError:
        seen = b""
    assert b" 200 " not in seen


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/models", 404, "unknown_path"),
        ("GET", "/v1", 404, "unknown_path"),
        ("GET", "/v1/models/", 404, "unknown_path"),
        ("GET", "/v1/models/gpt-4o", 404, "model_not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/rounds", 405, "method_not_allowed"),
        ("GET", "/v1/rounds/xyz", 400, None),
        ("GET", "/v1/rounds/" + "0" * 63, 400, None),
        ("GET", "/v1/rounds/" + "0" * 64, 404, "round_not_found"),
        ("GET", "/v1/rounds/" + "0" * 64 + "/receipt", 404, "round_not_found"),
        ("GET", "/v1/rounds/..%2F..%2Fetc%2Fpasswd/receipt", 404, "unknown_path"),
        ("GET", "/v1/rounds?limit=0", 400, None),
        ("GET", "/v1/rounds?limit=101", 400, None),
        ("GET", "/v1/rounds?limit=x", 400, None),
        ("GET", "/v1/rounds?limit=1e1", 400, None),
        ("GET", "/v1/rounds?after=nothing", 400, None),
        ("GET", "/v1/rounds?after=" + "0" * 64, 404, "round_not_found"),
    ],
)
def test_what_is_not_there_is_said_in_the_same_form(
    up: Up, method: str, path: str, status: int, code: str | None
) -> None:
    answer = up.open_http().request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-swarm-provenance", "yes"), ("x-swarm-progress", "loud"), ("x-swarm-on-partial", "maybe")],
)
def test_headers_of_ours_are_read_strictly(up: Up, name: str, value: str) -> None:
    answer = up.open_http().post(
        "/v1/chat/completions", json={"model": "swarm", "messages": MESSAGES}, headers={name: value}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name


@pytest.mark.parametrize(
    "fields",
    [
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: x\r\n",
        "Sec-WebSocket-Extensions: \xff\r\nSec-WebSocket-Protocol: ,\r\n",
        "",
    ],
)
def test_a_wish_for_a_websocket_is_ignored_without_a_word_in_the_log(
    up: Up, fields: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = up.open_raw()
    head = f"GET /healthz HTTP/1.1\r\nHost: {client.host}\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
    client.socket.sendall(head.encode() + fields.encode("latin1") + b"\r\n")
    assert client.read_until(b'"status":"ok"').startswith(b"HTTP/1.1 200 ")
    assert up.ask().status_code == 200
    assert caplog.records == []


@pytest.mark.parametrize("settings", [b"A", b"!!!!", b"AAAA", b"AAMAAABkAAQAAP__", b""])
def test_a_wish_for_http_2_is_ignored(up: Up, settings: bytes) -> None:
    client = up.open_raw()
    head = (
        f"GET /healthz HTTP/1.1\r\nHost: {client.host}\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: "
    )
    client.socket.sendall(head.encode() + settings + b"\r\n\r\n")
    seen = client.read_until(b'"status":"ok"')
    assert seen.startswith(b"HTTP/1.1 200 ")
    assert up.ask().status_code == 200


def test_http_2_without_asking_is_refused(up: Up) -> None:
    client = up.open_raw()
    client.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    assert client.read_all().startswith(b"HTTP/1.1 ")
    assert up.ask().status_code == 200
