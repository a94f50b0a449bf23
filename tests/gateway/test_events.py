"""A round's events over HTTP, and search among rounds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.gateway.events import read_round_lines
from tests.gateway.kit import ENDLESS, LIMITS, Up, open_gateway


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with open_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def ask(up: Up, question: str) -> str:
    messages = [{"role": "user", "content": question}]
    return str(up.ask(messages=messages, swarm={"provenance": True}).json()["swarm"]["round_id"])


def test_the_events_of_a_round_are_those_of_the_log(up: Up) -> None:
    first, second = ask(up, "One?"), ask(up, "Two?")
    for round_id in (first, second):
        for query in ("", "?follow=true", "?follow=false"):
            answer = up.open_http().get(f"/v1/rounds/{round_id}/events{query}")
            assert answer.status_code == 200
            events = [json.loads(line) for line in answer.text.splitlines()]
            assert {event["round"] for event in events} == {round_id}
            assert events[0]["event"] == "round_opened"
            assert [event["event"] for event in events].count("round_closed") == 4
            assert all(event["tokens"] > 0 for event in events if event["event"] == "answer_written")


def test_what_is_no_round_of_the_caller_s_has_no_events(up: Up) -> None:
    http = up.open_http()
    assert http.get(f"/v1/rounds/{'0' * 64}/events").status_code == 404
    assert http.get("/v1/rounds/x/events").status_code == 400
    assert http.get(f"/v1/rounds/{ask(up, 'Three?')}/events?follow=maybe").status_code == 400
    assert up.open_http(None).get(f"/v1/rounds/{'0' * 64}/events").status_code == 401


def test_a_round_under_way_is_followed_until_it_ends(tmp_path: Path) -> None:
    with open_gateway(tmp_path, model=ENDLESS, limits=replace(LIMITS, heartbeat_s=0.1)) as up:
        asking = up.open_raw()
        asking.post(stream=True)
        asking.read_until(b"round.asked")
        [round_] = up.open_http().get("/v1/rounds").json()["data"]
        with up.open_http().stream("GET", f"/v1/rounds/{round_['id']}/events?follow=true") as answer:
            lines = answer.iter_lines()
            opened = [json.loads(next(lines))["event"] for _ in range(2)]
            assert opened == ["round_opened", "phase_reached"]
            asking.leave()  # which takes the question back from every peer
            assert {json.loads(line)["round"] for line in lines if line} == {round_["id"]}


def test_rounds_are_found_by_question_and_answer(up: Up) -> None:
    wanted = ask(up, "Where do the RIVERS of ÉIRE end?")
    http = up.open_http()
    [found] = http.get("/v1/rounds", params={"search": "rivers of éire"}).json()["data"]
    assert found["id"] == wanted
    assert found["question"] == "Where do the RIVERS of ÉIRE end?"
    by_answer = http.get("/v1/rounds", params={"search": found["answer"]}).json()["data"]
    assert wanted in [one["id"] for one in by_answer]
    nothing = http.get("/v1/rounds", params={"search": "no such words"}).json()
    assert (nothing["data"], nothing["has_more"]) == ([], False)
    assert http.get("/v1/rounds", params={"search": "x" * 1_001}).status_code == 400


def test_pages_of_a_search_go_on_where_the_last_one_ended(up: Up) -> None:
    asked = [ask(up, f"A question about whales, the {number}th") for number in range(5)]
    found, after = [], None
    while True:
        params = {"search": "WHALES", "limit": "2"} | ({} if after is None else {"after": after})
        page = up.open_http().get("/v1/rounds", params=params).json()
        found += [one["id"] for one in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert found == asked[::-1]


def test_lines_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    network, round_id = b"\x01" * 32, b"\x02" * 32
    line = b'{"round":"%s"}\n' % round_id.hex().encode()
    (tmp_path / f"{network.hex()[:16]}-a.jsonl").write_bytes(line + b'{"round":null}\n' + line + line[:-1])
    (tmp_path / f"{'ff' * 8}-a.jsonl").write_bytes(line)
    assert read_round_lines(tmp_path, network, round_id) == [line, line]
    assert read_round_lines(tmp_path / "none", network, round_id) == []
