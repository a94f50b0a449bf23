"""Who is let in: keys, names, pages; and that an open door without a key is refused."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from swarm.edge.clock import get_wall_ms
from swarm.edge.network_urls import is_loopback
from swarm.edge.paths import Paths
from swarm.gateway.guard import is_host_allowed, split_host
from swarm.gateway.keys import KeyLimits, KeyStore
from swarm.gateway.serving import ServeOptions, get_secret, make_url, open_database
from tests.gateway.kit import KEY, Up, open_gateway

SITE = "https://chat.example"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def up(directory: Path) -> Iterator[Up]:
    def allow(options: ServeOptions) -> ServeOptions:
        return replace(options, hosts=frozenset({"swarm.example"}), origins=frozenset({SITE}))

    with open_gateway(directory, change=allow) as running:
        yield running


def make_key(directory: Path, name: str, **limits: int) -> str:
    """Make a key as the command line does, beside a gateway that runs."""
    with open_database(Paths(data=directory / "data", cache=directory)) as database:
        return KeyStore(database).create(name, KeyLimits(**limits), now_ms=get_wall_ms()).secret


def revoke_key(directory: Path, name: str) -> None:
    with open_database(Paths(data=directory / "data", cache=directory)) as database:
        KeyStore(database).revoke(name, now_ms=get_wall_ms())


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY} {KEY}",
        "Bearer pk_000000000000_" + "x" * 43,
        "Bearer " + "x" * 10_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/rounds", "/metrics", "/no/such/path"])
def test_without_a_valid_key_nothing_is_told(up: Up, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = up.open_http(None).get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"]


def test_health_needs_no_key(up: Up) -> None:
    http = up.open_http(None)
    assert http.get("/healthz").json() == {"status": "ok", "reason": None}
    assert http.get("/readyz").json() == {"status": "ready", "reason": None}


@pytest.mark.parametrize(
    "host", ["swarm.example", "SWARM.example:80", "localhost:1", "192.0.2.7:8080", "[::1]:80"]
)
def test_names_that_are_this_server_s_are_let_in(up: Up, host: str) -> None:
    assert up.open_http().get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "swarm.example@evil.example",
        "",
        "a b",
    ],
)
def test_names_that_are_not_are_refused_even_with_a_key(up: Up, host: str) -> None:
    answer = up.open_http().get("/v1/models", headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize("head", ["", "Host: localhost\r\nHost: evil.example\r\n"])
def test_no_name_and_two_names_are_refused(up: Up, head: str) -> None:
    client = up.open_raw()
    client.socket.sendall(f"GET /healthz HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    status = client.read_all().split(b" ")[1]
    assert status in (b"400", b"403")  # h11 refuses some of it before the gateway can


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", f"{SITE}.evil.example"]
)
def test_pages_of_others_may_not_ask(up: Up, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = up.open_http().request(method, "/v1/models", headers={"origin": origin})
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "origin_not_allowed"
        assert "access-control-allow-origin" not in answer.headers


def test_its_own_page_and_allowed_ones_may(up: Up) -> None:
    http = up.open_http()
    own = http.get("/v1/models", headers={"origin": up.serving.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers
    allowed = http.get("/v1/models", headers={"origin": SITE})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    preflight = up.open_http(None).options(
        "/v1/chat/completions",
        headers={"origin": SITE, "access-control-request-headers": "authorization, content-type"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "*" not in str(preflight.headers)


def test_a_client_s_own_request_id_comes_back_if_it_is_sane(up: Up) -> None:
    http = up.open_http()
    assert http.get("/v1/models", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    for strange in ("a b", "x" * 129, "<script>"):
        given = http.get("/v1/models", headers={"x-request-id": strange}).headers["x-request-id"]
        assert given.startswith("req_")


def test_a_named_key_asks_sees_its_own_rounds_and_can_be_revoked_at_once(up: Up, directory: Path) -> None:
    key, other = make_key(directory, "alice"), make_key(directory, "bob")
    asked = up.ask(key=key, swarm={"provenance": True}).json()["swarm"]["round_id"]
    assert [one["id"] for one in up.open_http(key).get("/v1/rounds").json()["data"]] == [asked]
    assert up.open_http(other).get("/v1/rounds").json()["data"] == []
    for path in (f"/v1/rounds/{asked}", f"/v1/rounds/{asked}/receipt"):
        assert up.open_http(key).get(path).status_code == 200
        assert up.open_http(other).get(path).status_code == 404
        assert up.open_http().get(path).status_code == 200  # the owner sees all
    assert up.open_http(other).get("/v1/rounds", params={"after": asked}).status_code == 404
    revoke_key(directory, "alice")
    assert up.ask(key=key).status_code == 401


def test_the_same_seed_under_another_key_is_another_round(up: Up, directory: Path) -> None:
    keys = (make_key(directory, "carol"), make_key(directory, "dave"))
    first, second = (up.ask(key=key, seed=5).json()["id"] for key in keys)
    assert first != second
    for key in keys:
        assert [one["status"] for one in up.open_http(key).get("/v1/rounds").json()["data"]] == ["full"]


def test_a_swarm_of_the_same_seed_gives_no_round_twice(tmp_path: Path) -> None:
    """Not the first question of one run to whoever asks the same first in the next."""
    keys = (make_key(tmp_path, "erin"), make_key(tmp_path, "frank"))
    for key in keys:
        with open_gateway(tmp_path, seed="the same") as up:
            asked = up.ask(key=key, swarm={"provenance": True}).json()["swarm"]
            own = up.open_http(key).get("/v1/rounds").json()["data"]
            assert [one["receipt_digest"] for one in own] == [asked["receipt_digest"]]
    with open_gateway(tmp_path, seed="the same") as up:
        assert len({one["id"] for one in up.open_http().get("/v1/rounds").json()["data"]}) == 2


def test_a_key_s_questions_a_minute_are_counted(up: Up, directory: Path) -> None:
    key = make_key(directory, "hasty", requests_per_minute=2)
    first, second, third = (up.ask(key=key) for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert third.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    stream = up.ask(key=make_key(directory, "streaming", requests_per_minute=9), stream=True)
    assert stream.headers["x-ratelimit-remaining-requests"] == "8"


def test_looking_up_counts_as_a_tenth_of_a_question(up: Up, directory: Path) -> None:
    key = make_key(directory, "curious", requests_per_minute=2)
    asked = up.ask(key=key, swarm={"provenance": True}).json()["swarm"]["round_id"]
    paths = (f"/v1/rounds/{asked}", f"/v1/rounds/{asked}/receipt", "/v1/rounds")
    answers = [up.open_http(key).get(path) for path in paths * 4]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3
    assert up.open_http(key).get("/v1/models").status_code == 200
    assert [up.open_http().get(paths[0]).status_code for _ in range(30)] == [
        200
    ] * 30  # the owner has no limit


def test_a_key_s_tokens_are_counted_and_outlive_the_gateway(tmp_path: Path) -> None:
    key = make_key(tmp_path, "poor", tokens_per_day=100, tokens_in_all=1_000)
    with open_gateway(tmp_path) as up:
        assert up.ask(key=key, max_tokens=64).status_code == 429  # four peers could say 256 tokens
        asked = up.ask(key=key, max_tokens=20)
        assert asked.status_code == 200
        assert asked.headers["x-ratelimit-limit-tokens"] == "100"
        assert asked.headers["x-ratelimit-remaining-tokens"] == "20"
        used = asked.json()["usage"]["completion_tokens"]
    with open_gateway(tmp_path) as up:
        again = up.ask(key=key, max_tokens=1)
        assert again.headers["x-ratelimit-remaining-tokens"] == str(100 - used - 4)
        broke = up.ask(key=key, max_tokens=25)
        assert broke.status_code == 429
        error = broke.json()["error"]
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        assert int(broke.headers["retry-after"]) >= 1


# -- before anything is up -------------------------------------------------------------------------


def test_an_open_bind_without_a_key_is_refused(tmp_path: Path) -> None:
    def bare(options: ServeOptions) -> ServeOptions:
        return replace(options, host="0.0.0.0", api_key=None)

    with (
        pytest.raises(ConfigError, match="no key was chosen") as refused,
        open_gateway(tmp_path, change=bare),
    ):
        pass
    assert "PEERAGE_API_KEY" in refused.value.remedy
    make_key(tmp_path, "alice")
    with open_gateway(tmp_path, change=bare) as up:
        assert up.serving.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "api_key", ["", "short", "x" * 257, "with spaces in between", "ümlaut-ümlaut-ümlaut"]
)
def test_a_bad_key_of_one_s_own_is_refused(tmp_path: Path, api_key: str) -> None:
    def weak(options: ServeOptions) -> ServeOptions:
        return replace(options, api_key=api_key)

    with pytest.raises(ConfigError, match="API key"), open_gateway(tmp_path, change=weak):
        pass


def test_a_made_token_is_kept_for_this_user_alone_and_used_again(tmp_path: Path) -> None:
    paths = Paths(data=tmp_path / "data", cache=tmp_path)
    token, path = get_secret(None, paths)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert get_secret(None, paths) == (token, path)
    path.write_text("edited\n")
    with pytest.raises(ConfigError, match="characters") as refused:
        get_secret(None, paths)
    assert "remove that file" in refused.value.remedy


def test_secrets_are_nowhere_on_disk(tmp_path: Path) -> None:
    key = make_key(tmp_path, "alice")
    with open_gateway(tmp_path) as up:
        assert up.ask(key=key).status_code == 200
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found
    for path in found:
        data = path.read_bytes()
        assert key.encode() not in data
        assert key.encode().rpartition(b"_")[2] not in data
        assert KEY.encode() not in data


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_loopback_is_told_from_the_open(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_urls_are_ones_that_a_client_can_call() -> None:
    assert make_url("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert make_url("::1", 2) == "http://[::1]:2"
    assert make_url("localhost", 3) == "http://localhost:3"


HOSTS: list[tuple[str, str]] = [
    ("localhost", "localhost"),
    ("LOCALHOST:8080", "localhost"),
    ("[::1]:8080", "::1"),
    ("a.b:1", "a.b"),
    ("a.b:", ""),
    ("a:b:c", ""),
    ("user@localhost", ""),
    ("[::1", ""),
    ("", ""),
]


@pytest.mark.parametrize(("header", "name"), HOSTS)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert split_host(header) == name
    assert is_host_allowed(header, frozenset({"a.b"})) is (name != "")
