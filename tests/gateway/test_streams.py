"""What goes on while an answer is made: heartbeats, clients that leave or stall, queues, ends that fail."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import openai
import pytest
import trio

from swarm.edge.asking import Asked, SwarmAsker
from swarm.edge.events import read_events
from swarm.edge.paths import Paths, write_private_file
from swarm.edge.wishes import Prepared
from swarm.gateway.keys import KeyLimits, KeyStore
from swarm.gateway.rounds import RoundEnd, RoundStore
from swarm.gateway.serving import open_database
from tests.gateway.kit import ENDLESS, KEY, LIMITS, MESSAGES, PATIENCE_S, RawClient, Up, open_gateway, poll

IDLE_S = 1.0  # from a client's leaving to every model idle


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Up]:
    """A gateway whose peers think until they are interrupted; one question at a time, one waits."""
    limits = replace(LIMITS, rounds_at_once=1, waiting_max=1, heartbeat_s=0.05)
    with open_gateway(tmp_path, model=ENDLESS, limits=limits) as up:
        yield up


def wait_idle(up: Up, within_s: float) -> None:
    """Wait until the model that all peers share does nothing; fails when it takes longer."""
    host = up.serving.gateway.asker.host
    assert host is not None

    async def wait() -> None:
        with trio.fail_after(within_s):
            await host.wait_idle()

    up.run(wait)


def get_rounds(up: Up) -> list[tuple[str, str]]:
    return [(one["status"], one["id"]) for one in up.open_http().get("/v1/rounds").json()["data"]]


def wait_status(up: Up, wanted: list[str]) -> None:
    """Wait until the rounds, newest first, have these statuses."""
    seen: list[list[tuple[str, str]]] = []

    def is_so() -> bool:
        seen.append(get_rounds(up))
        return [status for status, _ in seen[-1]] == wanted

    assert poll(is_so), f"got {seen[-1]}, expected {wanted}"


def test_a_stream_is_never_silent_for_long(endless: Up) -> None:
    client = endless.open_raw()
    client.post(stream=True)
    seen = client.read_until(b": still at work\n\n", count=2)
    head, _, events = seen.partition(b"\r\n\r\n")
    assert b"200" in head.splitlines()[0]
    assert b"content-type: text/event-stream" in head
    assert b'"event":"round.asked"' in events
    assert b"data:" not in events  # comments only: nothing is certified yet
    client.leave()


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_takes_its_work_along_in_every_peer(endless: Up, is_stream: bool) -> None:
    client = endless.open_raw()
    client.post(stream=is_stream)
    if is_stream:
        client.read_until(b'"phase":"committing"')
    wait_status(endless, ["running"])
    client.leave()
    wait_idle(endless, IDLE_S)
    wait_status(endless, ["cancelled"])
    logs = endless.serving.gateway.asker.paths.logs
    (path,) = logs.glob("*.jsonl")
    halted = [event for event in read_events(path) if event.event == "round_halted"]
    assert len({event.peer for event in halted}) == 4
    assert {event.fields["reason"] for event in halted} == {"its asker has cancelled it"}


@pytest.mark.parametrize(("model", "tokens"), [("swarm", 4 * 10), ("helper", 2 * 10)])
def test_a_client_that_leaves_pays_for_what_was_under_way(
    endless: Up, tmp_path: Path, model: str, tokens: int
) -> None:
    key = f"pays-{model}"
    with open_database(Paths(data=tmp_path / "data", cache=tmp_path / "cache")) as database:
        keys = KeyStore(database)
        created = keys.create(key, KeyLimits(tokens_in_all=1_000), now_ms=1)
        client, host = endless.open_raw(), endless.serving.gateway.asker.host
        assert host is not None
        client.post(key=created.secret, model=model, n=2, max_tokens=10)
        assert poll(lambda: host._running is not None and len(host._running.tickets) * 10 == tokens)
        client.leave()
        assert poll(lambda: trio.run(partial(keys.get_spent, created.key.id, now_ms=0)).tokens == tokens)


def test_a_queue_has_an_end_and_whoever_leaves_it_makes_room(endless: Up) -> None:
    running, waiting = endless.open_raw(), endless.open_raw()
    running.post(stream=True)
    running.read_until(b"round.asked")
    waiting.post(stream=True)
    waiting.read_until(b'{"event":"queued","ahead":0}')
    refused = endless.ask()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "queue_full"
    assert int(refused.headers["retry-after"]) >= 1
    running.leave()
    waiting.read_until(b"round.asked")  # it is its turn now
    waiting.leave()
    wait_idle(endless, IDLE_S)
    wait_status(endless, ["cancelled", "cancelled"])


def test_helpers_take_no_more_of_the_model_than_rounds_leave_time_for(tmp_path: Path) -> None:
    limits = replace(LIMITS, helpers_at_once=3)
    with open_gateway(tmp_path, peers=5, model=ENDLESS, limits=limits) as up:
        asker, host = up.serving.gateway.asker, up.serving.gateway.asker.host
        alone = up.serving.gateway.alone
        assert host is not None
        assert alone is not None
        assert asker.options.answers_beside == 3
        for _ in range(2):
            up.open_raw().post(model="helper", n=5)
        assert poll(lambda: host._running is not None)
        assert alone.beside.borrowed_tokens == 3
        assert host._running is not None
        assert len(host._running.tickets) + len(host._queue) == 3


@pytest.mark.parametrize("is_queued", [True, False])
def test_all_chunks_of_a_stream_have_one_id(tmp_path: Path, is_queued: bool) -> None:
    limits = replace(LIMITS, rounds_at_once=1)
    with open_gateway(tmp_path, model="scripted:latency=0.2", limits=limits) as up:
        first, second = up.open_raw(), up.open_raw()
        if is_queued:
            first.post(stream=True)
            first.read_until(b"round.asked")
        second.post(stream=True, swarm={"progress": "events", "provenance": True})
        events = second.read_until(b"data: [DONE]").decode()
        assert ('"event":"queued"' in events) is is_queued
        chunks = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: {")]
        (stream_id,) = {chunk["id"] for chunk in chunks}
        assert len(stream_id) == len("chatcmpl-") + 32
        assert (stream_id[9:] in chunks[-1]["swarm"]["round_id"]) is not is_queued


def test_a_stream_that_cannot_end_well_ends_in_an_error(tmp_path: Path) -> None:
    limits = replace(LIMITS, shutdown_s=0.05)
    with open_gateway(tmp_path, model=ENDLESS, limits=limits) as up:
        client = up.open_raw()
        client.post(stream=True)
        client.read_until(b"round.asked")
        trio.from_thread.run_sync(up.serving.stop, trio_token=up.token)
        events = client.read_all()
    last = [line for line in events.splitlines() if line.startswith(b"data:")]
    assert len(last) == 1
    assert json.loads(last[0][5:])["error"]["code"] == "server_shutdown"
    assert b"[DONE]" not in events


def test_openai_s_client_raises_what_ends_a_stream(tmp_path: Path) -> None:
    limits = replace(LIMITS, shutdown_s=0.05)
    with open_gateway(tmp_path, model=ENDLESS, limits=limits) as up:
        stream = up.open_client().chat.completions.create(
            model="swarm", messages=MESSAGES, stream=True, extra_body={"swarm": {"progress": "events"}}
        )
        chunks = iter(stream)
        next(chunks)
        trio.from_thread.run_sync(up.serving.stop, trio_token=up.token)
        with pytest.raises(openai.APIError, match="shutting down"):
            list(chunks)


def test_one_of_two_who_wait_for_a_seeded_round_may_leave(tmp_path: Path) -> None:
    limits = replace(LIMITS, rounds_at_once=2)
    with open_gateway(tmp_path, model="scripted:latency=0.3", limits=limits) as up:
        leaving, staying = up.open_raw(), up.open_raw()
        for client in (leaving, staying):
            client.post(stream=True, seed=3)
            client.read_until(b"round.asked")
        leaving.leave()
        staying.read_until(b"data: [DONE]")
        wait_status(up, ["full"])
        assert not up.serving.gateway.came_to_nothing


def test_a_seeded_round_asked_again_as_it_ends_is_the_one_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not another peer's receipt of it, written over the first one."""
    is_ending, may_end = threading.Event(), threading.Event()
    end_in_time = RoundStore.end

    async def end_late(store: RoundStore, round_id: bytes, end: RoundEnd) -> None:
        is_ending.set()
        assert await trio.to_thread.run_sync(may_end.wait, PATIENCE_S)
        await end_in_time(store, round_id, end)

    with open_gateway(tmp_path) as up:
        asker = up.serving.gateway.asker
        asks: list[bytes] = []
        ask_prepared = type(asker).ask_prepared

        async def note_asked(self: SwarmAsker, prepared: Prepared, *, receipt_path: Path) -> Asked:
            asks.append(prepared.round_id)
            return await ask_prepared(self, prepared, receipt_path=receipt_path)

        monkeypatch.setattr(RoundStore, "end", end_late)
        monkeypatch.setattr(SwarmAsker, "ask_prepared", note_asked)
        first, again = up.open_raw(), up.open_raw()
        first.post(seed=4, swarm={"provenance": True})
        assert is_ending.wait(PATIENCE_S)
        again.post(seed=4, swarm={"provenance": True})
        assert poll(lambda: up.serving.gateway.admission.running == 2)
        for _ in range(2):
            up.open_http(None).get("/healthz")  # answered after the gateway has gone as far as it can
        may_end.set()
        wanted = b'"receipt_digest":"'
        seen = [client.read_until(b'"receipt_url"') for client in (first, again)]
        assert len({answer.partition(wanted)[2][:64] for answer in seen}) == 1
        assert len(asks) == 1


def test_questions_side_by_side_each_get_their_answer(tmp_path: Path) -> None:
    answers: dict[int, str] = {}
    with open_gateway(tmp_path, limits=replace(LIMITS, rounds_at_once=3)) as up:
        up.open_http()  # all threads share it

        def ask(number: int) -> None:
            messages = [{"role": "user", "content": f"What is {number} times 12?"}]
            answers[number] = up.ask(messages=messages).json()["id"]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert len(set(answers.values())) == 8
        assert [status for status, _ in get_rounds(up)] == ["full"] * 8


def is_cut_off(client: RawClient) -> bool:
    """Read on, until the other side has ended the connection in whatever way."""
    try:
        while client.socket.recv(65_536):
            pass
    except ConnectionError:
        return True
    return True


def test_a_reader_that_stalls_is_let_go_of(tmp_path: Path) -> None:
    """It asks for far more than it reads; its connection ends, and everybody else is served."""
    limits = replace(LIMITS, send_s_max=0.2, connections_max=4)
    with open_gateway(tmp_path, limits=limits) as up:
        slow = up.open_raw(receive_bytes=2_048)
        line = f"GET /openapi.json HTTP/1.1\r\nHost: {slow.host}\r\n\r\n".encode()
        slow.socket.settimeout(0.5)
        try:
            for _ in range(10_000):
                slow.socket.sendall(line)
        except (TimeoutError, ConnectionError):
            pass  # the gateway stopped reading, or has let go already
        assert up.ask().status_code == 200
        slow.socket.settimeout(PATIENCE_S)
        assert is_cut_off(slow)


def test_connections_are_counted(tmp_path: Path) -> None:
    with open_gateway(tmp_path, limits=replace(LIMITS, connections_max=2)) as up:
        first, _, third = up.open_raw(), up.open_raw(), up.open_raw()
        assert third.socket.recv(1) == b""
        first.socket.sendall(f"GET /healthz HTTP/1.1\r\nHost: {first.host}\r\n\r\n".encode())
        first.read_until(b'"status":"ok"')


def test_a_head_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    with open_gateway(tmp_path, limits=replace(LIMITS, head_s_max=0.1)) as up:
        client = up.open_raw()
        client.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert client.socket.recv(1) == b""
        client.leave()


def test_a_body_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    with open_gateway(tmp_path, limits=replace(LIMITS, body_s_max=0.1)) as up:
        client = up.open_raw()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {client.host}\r\nAuthorization: Bearer {KEY}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        client.socket.sendall(head.encode())
        seen = client.read_all()
        assert seen.splitlines()[0].startswith(b"HTTP/1.1 408")
        assert b'"code":"too_slow"' in seen


def wait_connections(up: Up, wanted: int) -> None:
    """Wait until so many connections are open, with the one that asks."""
    changed = threading.Event()
    line = f"peerage_connections {wanted}.0"
    for _ in range(400):
        if line in up.open_http().get("/metrics").text.splitlines():
            return
        changed.wait(0.01)
    raise AssertionError(f"expected {wanted} connections, got {up.open_http().get('/metrics').text}")


def test_a_client_that_has_gone_holds_no_connection(tmp_path: Path) -> None:
    with open_gateway(tmp_path, limits=replace(LIMITS, head_s_max=600.0)) as up:
        clients = [up.open_raw() for _ in range(3)]
        wait_connections(up, 4)
        for client in clients:
            client.leave()
        wait_connections(up, 1)


@pytest.mark.parametrize("path", ["GET /v1/rounds", "POST /v1/chat/completions"])
@pytest.mark.parametrize("key", [KEY, f"pk_0123456789ab_{'A' * 43}"])
def test_a_body_that_nobody_reads_holds_no_connection(tmp_path: Path, path: str, key: str) -> None:
    """Whether it is answered or refused before it was read, in however many pieces it comes."""
    with open_gateway(tmp_path) as up:
        for _ in range(3):
            client = up.open_raw()
            head = (
                f"{path} HTTP/1.1\r\nHost: {client.host}\r\nAuthorization: Bearer {key}\r\n"
                "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            client.socket.sendall(head.encode() + b"1\r\na\r\n" * 3_000)
            assert client.read_until(b"\r\n").startswith(b"HTTP/1.1 ")
            assert is_cut_off(client)
        wait_connections(up, 1)


def test_who_waits_when_the_server_goes_down_is_told_so(tmp_path: Path) -> None:
    limits = replace(LIMITS, rounds_at_once=1, waiting_max=2, heartbeat_s=0.05)
    with open_gateway(tmp_path, model=ENDLESS, limits=limits) as up:
        clients = [up.open_raw() for _ in range(3)]
        for client, word in zip(clients, (b"round.asked", b'"ahead":0', b'"ahead":1'), strict=True):
            client.post(stream=True)
            client.read_until(word)
        trio.from_thread.run_sync(up.serving.stop, trio_token=up.token)
        for client in clients:
            assert b'"code":"server_shutdown"' in client.read_all()
        assert b"round.asked" not in clients[1].seen + clients[2].seen


def test_a_client_that_leaves_at_the_last_moment_leaves_a_whole_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was certified is kept, shown as what it is and paid for, and the next round may build on it."""
    is_written, has_left = threading.Event(), threading.Event()

    def write_late(path: Path, data: bytes) -> None:
        write_private_file(path, data)
        is_written.set()
        assert has_left.wait(PATIENCE_S)

    with open_gateway(tmp_path) as up:
        monkeypatch.setattr("swarm.edge.asking.write_private_file", write_late)
        with open_database(Paths(data=tmp_path / "data", cache=tmp_path / "cache")) as database:
            created = KeyStore(database).create("alice", KeyLimits(tokens_per_day=1_000_000), now_ms=1)
        client = up.open_raw()
        client.post(key=created.secret, stream=True)
        assert is_written.wait(PATIENCE_S)
        client.leave()
        for _ in range(2):
            up.open_http(None).get("/healthz")  # answered after the gateway has seen the client go
        has_left.set()
        wait_status(up, ["full"])
        (round_id,) = [one for _, one in get_rounds(up)]
        assert up.open_http().get(f"/v1/rounds/{round_id}/receipt").status_code == 200
    with open_database(Paths(data=tmp_path / "data", cache=tmp_path / "cache")) as database:
        spent = trio.run(partial(KeyStore(database).get_spent, created.key.id, now_ms=0))
        assert spent.tokens > 0
