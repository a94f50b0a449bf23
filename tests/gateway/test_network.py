"""A gateway before a network of real peers: models, meters and logs are theirs, in other hands."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import openai
import pytest
import trio

from consensus.verify import verify_receipt
from swarm.edge.events import decode_line
from swarm.edge.network_file import encode_network_file
from swarm.edge.paths import Paths
from swarm.gateway.keys import KeyLimits, KeyStore
from swarm.gateway.serving import open_database
from tests.cli.console import run
from tests.docs.test_events_page import check_event
from tests.gateway.kit import LIMITS, MESSAGES, QUESTION, Up, get_progress, get_provenance, poll
from tests.gateway.network import Peers, open_network_gateway, open_peers, wait_linked
from tests.gateway.processes import serve

PROVENANCE = {"provenance": True}


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    with open_peers(tmp_path_factory.mktemp("peers")) as running:
        yield running


@pytest.fixture
def up(peers: Peers, tmp_path: Path) -> Iterator[Up]:
    limits = replace(LIMITS, heartbeat_s=0.1)
    with open_network_gateway(tmp_path, peers.file, limits=limits) as running:
        yield running


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_says_what_is_certified_and_counts_nothing_that_nobody_counted(
    up: Up, peers: Peers
) -> None:
    completion = up.open_client().chat.completions.create(
        model="swarm", messages=MESSAGES, extra_body={"swarm": PROVENANCE}
    )
    assert completion.usage is None
    swarm = get_provenance(completion)
    assert completion.choices[0].message.content == swarm.ranking[0].text
    assert (swarm.status, swarm.seats, swarm.judge) == ("full", 4, "each peer's own")
    assert swarm.answer_tokens > 0  # as the authors say, and the receipt with them
    receipt = up.open_http().get(swarm.receipt_url).content
    assert verify_receipt(receipt, trusted_network=peers.file.network.genesis_bytes).is_trusted
    metrics = up.open_http().get("/metrics").text
    assert f'kind="declared",model="swarm"}} {swarm.answer_tokens}.0' in metrics
    assert 'kind="answer"' not in metrics
    assert 'kind="prompt"' not in metrics
    assert "helpers" not in metrics
    assert ("peerage_peers_linked 4.0" in metrics, "peerage_quorum_chance 1.0" in metrics) == (True, True)


def test_a_stream_shows_how_far_the_seats_are_and_then_the_certified_answer(up: Up) -> None:
    chunks = list(
        up.open_client().chat.completions.create(
            model="swarm-fast",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"swarm": {"provenance": True, "progress": "events"}},
        )
    )
    told = get_progress(chunks)
    assert {event.event for event in told} == {"round.asked", "phase.reached"}  # no answer before its time
    assert {event.phase for event in told if event.event == "phase.reached"} >= {"committing", "revealing"}
    text = "".join(choice.delta.content or "" for one in chunks for choice in one.choices)
    assert text == get_provenance(chunks[-1]).ranking[0].text
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert all("usage" in chunk.model_fields_set for chunk in chunks if chunk.choices)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_there_is_no_helper_and_its_requests_become_no_rounds(up: Up) -> None:
    client = up.open_client()
    assert [model.id for model in client.models.list()] == ["swarm", "swarm-fast"]
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="helper", messages=MESSAGES)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert "other people's" in refused.value.message
    assert isinstance(refused.value.body, dict)
    assert "a model of your own" in refused.value.body["remedy"]
    looked_up = up.open_http().get("/v1/models/helper")
    assert looked_up.json()["error"]["message"] == refused.value.body["message"]
    assert up.open_http().get("/v1/rounds").json()["data"] == []


def test_a_seed_finds_its_round_again_while_this_gateway_runs(up: Up) -> None:
    first, second = (up.ask(seed=7, swarm=PROVENANCE).json() for _ in range(2))
    assert first["swarm"]["receipt_digest"] == second["swarm"]["receipt_digest"]
    assert ("usage" in first, "usage" in second) == (False, False)


def test_keys_pay_the_most_that_was_asked_for(up: Up, tmp_path: Path) -> None:
    with open_database(Paths(data=tmp_path / "data", cache=tmp_path / "cache")) as database:
        keys = KeyStore(database)
        key = keys.create("alice", KeyLimits(tokens_per_day=100), now_ms=1)
        assert up.ask(key=key.secret, max_tokens=20).status_code == 200
        now_ms = up.serving.gateway.get_ms()
        get_spent = partial(keys.get_spent, key.key.id, now_ms=now_ms)
        assert poll(lambda: trio.run(get_spent).tokens_today == 4 * 20)  # booked once it has been sent
        refused = up.ask(key=key.secret, max_tokens=6)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "insufficient_quota"


# -- what happened in a round ----------------------------------------------------------------------


def test_events_are_what_members_told_and_what_the_receipt_says(up: Up) -> None:
    swarm = up.ask(swarm=PROVENANCE).json()["swarm"]
    told = up.open_http().get(f"/v1/rounds/{swarm['round_id']}/events")
    events = [decode_line(line, path=Path("events"), place="there") for line in told.content.splitlines()]
    for event in events:
        check_event(event)
    asker = up.serving.gateway.asker
    opened = [event for event in events if event.event == "round_opened"]
    assert {event.peer for event in opened} == set(asker.swarm.network.keys)
    assert sorted(str(event.fields["seat"]) for event in opened) == ["0", "1", "2", "3"]
    decided = [event for event in events if event.event == "step_decided"]
    assert [event.fields["step"] for event in decided] == list(range(len(decided)))
    assert {event.peer for event in decided} == {asker.swarm.asker.key}
    (closed,) = [event for event in events if event.event == "round_closed"]
    assert closed == events[-1]
    assert (closed.fields["status"], closed.fields["result"]) == ("full", swarm["result_digest"])
    assert QUESTION not in told.text


# -- peers that go and come ------------------------------------------------------------------------


@pytest.mark.slow
def test_who_is_down_is_missing_and_the_answer_says_so(up: Up, peers: Peers) -> None:
    peers.stop(3)
    try:
        wait_linked(up, 3)
        assert up.open_http().get("/readyz").json() == {"status": "ready", "reason": None}
        answer = up.ask(swarm=PROVENANCE).json()
        assert answer["swarm"]["status"] == "partial"
        text = answer["choices"][0]["message"]["content"]
        assert re.match(r"\[PARTIAL: 1 of 4 seats missing \(seat \d\); a quorum of 3 certified", text)
        refused = up.ask(swarm={"on_partial": "reject"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "partial_rejected")
    finally:
        peers.start(3)
    wait_linked(up, 4)


@pytest.mark.slow
def test_when_all_are_down_it_says_so_stays_up_and_finds_them_again(up: Up, peers: Peers) -> None:
    http, everybody = up.open_http(), tuple(range(4))
    peers.stop(0, 1)
    try:
        wait_linked(up, 2)
        few = "2 of 4 peers are up, too few for a quorum of 4 seats"
        assert poll(lambda: http.get("/readyz").json()["reason"] == few)
        assert http.get("/readyz").status_code == 503
        peers.stop(2, 3)
        wait_linked(up, 0)
        refused = up.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_peers")
        assert int(refused.headers["retry-after"]) > 0
        streamed = up.ask(stream=True).text
        assert '"code":"no_peers"' in streamed
        assert "[DONE]" not in streamed
        assert http.get("/healthz").status_code == 200
        assert http.get("/v1/rounds").json()["data"] == []  # nothing was asked
        assert "peerage_quorum_chance 0.0" in http.get("/metrics").text
        inbox = up.serving.gateway.asker.client._mesh.inbox
        assert poll(lambda: len(inbox) == 0)  # dials fail all the time, and that is taken note of
    finally:
        peers.start(*(index for index in everybody if index not in peers.running))
    wait_linked(up, 4)
    assert http.get("/readyz").status_code == 200
    assert up.ask(swarm=PROVENANCE).json()["swarm"]["status"] == "full"


def test_peers_that_only_dial_out_are_asked_through_others(tmp_path: Path) -> None:
    with (
        open_peers(tmp_path / "peers", outbound=2) as peers,
        open_network_gateway(tmp_path, peers.file) as up,
    ):
        assert poll(lambda: up.open_http().get("/readyz").status_code == 200)
        assert up.serving.gateway.asker.client.linked == 4
        assert up.ask(swarm=PROVENANCE).json()["swarm"]["status"] == "full"


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_takes_its_question_back_from_every_peer(
    tmp_path: Path, is_stream: bool
) -> None:
    with (
        open_peers(tmp_path / "peers", model="scripted:latency=60") as peers,
        open_network_gateway(tmp_path, peers.file, limits=replace(LIMITS, heartbeat_s=0.1)) as up,
    ):
        client, http = up.open_raw(), up.open_http()
        client.post(stream=is_stream)
        assert poll(lambda: all('"round_opened"' in peers.read_log(index) for index in range(4)))
        [running] = http.get("/v1/rounds").json()["data"]
        with http.stream("GET", f"/v1/rounds/{running['id']}/events?follow=true") as followed:
            lines = followed.iter_lines()
            assert json.loads(next(lines))["event"] == "round_opened"
            client.leave()
            last = [json.loads(line) for line in lines if line][-1]
        assert (last["event"], last["reason"]) == ("round_halted", "nobody waited for it any more")
        assert poll(lambda: all("its asker has cancelled it" in peers.read_log(index) for index in range(4)))
        [ended] = http.get("/v1/rounds").json()["data"]
        assert ended["status"] == "cancelled"


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def file(peers: Peers, tmp_path: Path) -> Path:
    path = tmp_path / "network.json"
    path.write_bytes(encode_network_file(peers.file))
    return path


@pytest.mark.slow
def test_the_command_stands_before_a_network(file: Path, peers: Peers, tmp_path: Path) -> None:
    with serve(tmp_path, "--network", str(file)) as served:
        assert (served.network, served.peers) == (peers.file.network.network_id.hex(), 4)
        with openai.OpenAI(base_url=served.base_url, api_key=served.api_key, max_retries=0) as client:
            said = client.chat.completions.create(
                model="swarm", messages=MESSAGES, extra_body={"swarm": PROVENANCE}
            )
        assert get_provenance(said).status in ("full", "partial")
        assert served.stop() == 0
    assert "4 members of test are connected" in (tmp_path / "stderr").read_text()
    genesis = tmp_path / "networks" / f"{served.network[:16]}.genesis"
    assert genesis.read_bytes() == peers.file.network.genesis_bytes
    (receipt,) = (tmp_path / "receipts").iterdir()
    assert run("verify", str(receipt), "--trust", str(genesis)).code == 0


@pytest.mark.parametrize("args", [("--model", "scripted"), ("--judge", "letters"), ("--seed", "x")])
def test_options_of_local_peers_are_refused_beside_a_network(file: Path, args: tuple[str, str]) -> None:
    ran = run("serve", "--port", "0", "--network", str(file), *args)
    assert (ran.code, ran.out) == (2, "")
    assert f"{args[0]} is about local peers" in ran.err


@pytest.mark.parametrize(
    ("args", "words"),
    [(("--local", "5"), "in a network of 4 members"), (("--deadline", "0"), "expected 1 to 86400 seconds")],
)
def test_a_network_is_not_asked_for_more_than_it_has(file: Path, args: tuple[str, str], words: str) -> None:
    ran = run("serve", "--port", "0", "--network", str(file), *args)
    assert (ran.code, ran.out) == (3, "")
    assert words in ran.err


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{}")
    for name, words in (("network.json", "no network file"), ("none.json", "cannot read the network file")):
        ran = run("serve", "--network", str(tmp_path / name))
        assert (ran.code, ran.out) == (3, "")
        assert words in ran.err
