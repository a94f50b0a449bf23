"""Sessions of the page: what opens one, what ends it, and whose requests its cookie counts for."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from swarm.edge.clock import get_wall_ms
from swarm.edge.paths import Paths
from swarm.gateway.cookies import name_cookie, read_cookie
from swarm.gateway.keys import KeyLimits, KeyStore
from swarm.gateway.page_files import POLICY, read_page
from swarm.gateway.serving import open_database
from swarm.gateway.sessions import SESSION_S_MAX, SESSIONS_MAX, SESSIONS_PER_KEY_MAX, Sessions
from tests.gateway.kit import KEY, MESSAGES, Up, open_gateway


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def up(directory: Path) -> Iterator[Up]:
    with open_gateway(directory) as running:
        yield running


def open_session(up: Up, shown: object, *, origin: str | None = None) -> httpx2.Response:
    headers = {"origin": origin or up.serving.url}
    return up.open_http(None).post("/session", json=shown, headers=headers)


def get_cookie(answer: httpx2.Response) -> str:
    assert answer.status_code == 204
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_key_opens_a_session_whose_cookie_no_script_reads(up: Up) -> None:
    answer = open_session(up, {"key": KEY})
    assert answer.headers["set-cookie"].endswith("HttpOnly; SameSite=Strict")
    http, cookie = up.open_http(None), get_cookie(answer)
    assert KEY not in cookie
    assert http.get("/v1/models", headers={"cookie": cookie}).status_code == 200
    assert http.get("/v1/models", headers={"cookie": cookie + "x"}).status_code == 401
    own = {"cookie": cookie, "origin": up.serving.url}
    assert http.delete("/session", headers=own).status_code == 204
    assert http.get("/v1/models", headers={"cookie": cookie}).status_code == 401


def test_a_code_opens_one_session_and_the_next_code_voids_it(up: Up) -> None:
    old, new = (up.serving.make_page_url().partition("#code=")[2] for _ in range(2))
    assert open_session(up, {"code": old}).status_code == 401
    assert open_session(up, {"code": new}).status_code == 204
    again = open_session(up, {"code": new})
    assert again.status_code == 401
    assert again.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("shown", [{}, {"key": KEY, "code": "x"}, {"other": "x"}, {"key": 1}, [KEY]])
def test_what_shows_neither_or_both_is_refused(up: Up, shown: object) -> None:
    assert open_session(up, shown).status_code == 400


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"key":"\xff"}', b'{"key":' + b"[" * 100_000])
def test_what_is_no_json_is_refused(up: Up, body: bytes) -> None:
    headers = {"origin": up.serving.url, "content-type": "application/json"}
    assert up.open_http(None).post("/session", content=body, headers=headers).status_code == 400


def test_a_wrong_key_opens_nothing(up: Up) -> None:
    answer = open_session(up, {"key": KEY + "x"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_other_pages_open_no_session(up: Up, origin: str) -> None:
    assert open_session(up, {"key": KEY}, origin=origin).status_code == 403
    assert up.open_http(None).post("/session", json={"key": KEY}).status_code == 403  # without any


def test_a_cookie_counts_for_the_server_s_own_page_alone(up: Up) -> None:
    cookie, http = get_cookie(open_session(up, {"key": KEY})), up.open_http(None)
    body = {"model": "helper", "messages": MESSAGES}

    def ask(**headers: str) -> int:
        return http.post("/v1/chat/completions", json=body, headers={"cookie": cookie} | headers).status_code

    assert ask(origin=up.serving.url) == 200
    assert ask() == 401  # whoever writes must say which page it is
    assert ask(origin="http://127.0.0.1:1") == 403
    for site, status in {"same-origin": 200, "none": 200, "same-site": 401, "cross-site": 401}.items():
        headers = {"cookie": cookie, "sec-fetch-site": site}
        assert http.get("/v1/rounds", headers=headers).status_code == status


def test_a_revoked_key_ends_its_sessions(up: Up, directory: Path) -> None:
    with open_database(Paths(data=directory / "data", cache=directory)) as database:
        keys = KeyStore(database)
        secret = keys.create("carol", KeyLimits(), now_ms=get_wall_ms()).secret
        cookie = get_cookie(open_session(up, {"key": secret}))
        assert up.open_http(None).get("/v1/models", headers={"cookie": cookie}).status_code == 200
        keys.revoke("carol", now_ms=get_wall_ms())
    assert up.open_http(None).get("/v1/models", headers={"cookie": cookie}).status_code == 401


def test_sessions_end_by_time_and_make_room() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first = sessions.open("key-0")
    others = [sessions.open(f"key-{place}") for place in range(1, SESSIONS_MAX)]
    assert sessions.find(first) == "key-0"
    newest = sessions.open("newest")
    assert sessions.find(first) is None
    assert sessions.find(others[0]) == "key-1"
    now[0] = SESSION_S_MAX
    assert sessions.find(newest) is None


def test_one_key_s_sessions_end_nobody_else_s() -> None:
    sessions = Sessions(lambda: 0.0)
    owner = sessions.open("owner")
    opened = [sessions.open("greedy") for _ in range(2 * SESSIONS_MAX)]
    assert sessions.find(owner) == "owner"
    assert [sessions.find(token) for token in opened[-SESSIONS_PER_KEY_MAX:]] == ["greedy"] * 16
    assert sessions.find(opened[-SESSIONS_PER_KEY_MAX - 1]) is None
    for key in "abc":  # nor those of several together
        opened += [sessions.open(key) for _ in range(SESSIONS_PER_KEY_MAX)]
    assert sessions.find(owner) == "owner"
    assert sum(sessions.find(token) is not None for token in opened) == SESSIONS_MAX - 1


def test_cookies_of_servers_on_one_host_have_names_of_their_own() -> None:
    names = {name_cookie(Headers({"host": host})) for host in ("a:1", "a:2", "[::1]:3", "a", "[::1]")}
    assert names == {"peerage-1", "peerage-2", "peerage-3", "peerage-80"}
    assert read_cookie(Headers({"host": "a:1", "cookie": "peerage-2=x; peerage-1=y"})) == "y"
    for broken in ("", "peerage-1", "=;=", '"', "peerage-1=\x00"):
        assert read_cookie(Headers({"host": "a:1", "cookie": broken})) == ""


def test_the_page_is_sent_to_everybody_under_a_strict_policy(up: Up) -> None:
    http = up.open_http(None)
    for path, file in read_page().items():
        answer = http.get(path)
        assert (answer.status_code, answer.content) == (200, file.data)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-type"].endswith("charset=utf-8")
    assert "'unsafe" not in POLICY
    for path in ("/index.html", "/page", "/app/", "/app/../guard.py", "/verifier/vendor/VENDORED.json"):
        assert http.get(path).status_code == 401
