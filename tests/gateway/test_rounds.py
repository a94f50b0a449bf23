"""Rounds that can be looked up later: pages, receipts, restarts, crashes, and rounds that are not whole."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import trio

from consensus.genesis import SEATS_MIN
from consensus.verify import Verdict, verify_receipt
from models.contract import GenerateRequest, Generation, Model
from models.errors import ModelError
from models.scripted import ScriptedModel
from swarm.edge.ask_options import compute_seed
from swarm.edge.local import create_local_keys
from swarm.edge.paths import Paths
from swarm.gateway.rounds import RoundStore
from swarm.gateway.serving import open_database
from tests.gateway.kit import MESSAGES, QUESTION, Up, open_gateway

SEED = "rounds"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with open_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_rounds_come_newest_first_and_page_by_page(tmp_path: Path) -> None:
    with open_gateway(tmp_path) as up:
        http = up.open_http()
        empty = http.get("/v1/rounds").json()
        assert (empty["data"], empty["first_id"], empty["has_more"]) == ([], None, False)
        asked = [up.ask(swarm={"provenance": True}).json()["swarm"]["round_id"] for _ in range(5)]
        seen: list[str] = []
        params: dict[str, str] = {"limit": "2"}
        for has_more in (True, True, False):
            page = http.get("/v1/rounds", params=params).json()
            assert page["has_more"] is has_more
            assert page["first_id"] == page["data"][0]["id"]
            seen += [one["id"] for one in page["data"]]
            params["after"] = page["last_id"]
        assert seen == asked[::-1]


def test_a_round_says_what_its_receipt_says(up: Up) -> None:
    answer = up.ask(swarm={"provenance": True}).json()
    swarm, http = answer["swarm"], up.open_http()
    details = http.get(f"/v1/rounds/{swarm['round_id']}").json()
    assert details["status"] == "full"
    assert details["turns"] == MESSAGES
    assert details["receipt_digest"] == swarm["receipt_digest"]
    assert details["ended"] >= details["created"]
    assert details["swarm"] | {"elapsed_s": None} == swarm | {"elapsed_s": None}
    receipt = http.get(f"/v1/rounds/{swarm['round_id']}/receipt")
    assert receipt.headers["content-type"] == "application/octet-stream"
    assert (
        receipt.headers["content-disposition"] == f'attachment; filename="{swarm["round_id"][:16]}.receipt"'
    )
    genesis = up.serving.gateway.asker.swarm.network.genesis_bytes
    assert verify_receipt(receipt.content, trusted_network=genesis).is_trusted


def test_an_altered_receipt_is_not_shown_for_what_it_was(up: Up) -> None:
    swarm = up.ask(swarm={"provenance": True}).json()["swarm"]
    path = up.serving.gateway.rounds.get_receipt_path(bytes.fromhex(swarm["round_id"]))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    details = up.open_http().get(f"/v1/rounds/{swarm['round_id']}").json()
    assert (details["turns"], details["swarm"]) == (None, None)
    altered = up.open_http().get(f"/v1/rounds/{swarm['round_id']}/receipt")
    assert (altered.status_code, altered.json()["error"]["code"]) == (503, "receipt_altered")
    assert str(path.parent) not in altered.text
    path.unlink()
    gone = up.open_http().get(f"/v1/rounds/{swarm['round_id']}/receipt")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "receipt_not_found")


def test_receipts_are_verified_beside_the_loop(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def verify_noting(data: bytes) -> Verdict:
        threads.append(threading.get_ident())
        return verify_receipt(data)

    async def get_thread() -> int:
        return threading.get_ident()

    asked = up.ask(seed=77, swarm={"provenance": True}).json()["swarm"]["round_id"]
    for module in ("lookups", "rounds"):
        monkeypatch.setattr(f"swarm.gateway.{module}.verify_receipt", verify_noting)
    assert up.open_http().get(f"/v1/rounds/{asked}").json()["swarm"]
    assert up.ask(seed=77, swarm={"provenance": True}).json()["swarm"]["round_id"] == asked
    assert len(threads) == 2
    assert up.run(get_thread) not in threads


def test_rounds_outlive_the_gateway(tmp_path: Path) -> None:
    with open_gateway(tmp_path) as up:
        swarm = up.ask(swarm={"provenance": True}).json()["swarm"]
        before = up.open_http().get(f"/v1/rounds/{swarm['round_id']}/receipt").content
    with open_gateway(tmp_path) as up:
        (one,) = up.open_http().get("/v1/rounds").json()["data"]
        assert (one["id"], one["status"]) == (swarm["round_id"], "full")
        assert up.open_http().get(f"/v1/rounds/{one['id']}/receipt").content == before


def test_what_a_crash_cut_off_is_completed_from_its_receipt_or_called_interrupted(tmp_path: Path) -> None:
    with open_gateway(tmp_path) as up:
        swarm = up.ask(swarm={"provenance": True}).json()["swarm"]
    whole, lost = bytes.fromhex(swarm["round_id"]), b"l" * 32
    with open_database(Paths(data=tmp_path / "data", cache=tmp_path)) as database:
        database.call(
            lambda connection: connection.execute(
                "UPDATE round SET status = 'running', ended_ms = NULL, digest = NULL, p_best = NULL"
            )
        )
        store = RoundStore(database, tmp_path)
        trio.run(partial(store.begin, lost, created_ms=1, model="swarm", owner=""))
    with open_gateway(tmp_path) as up:
        found = {one["id"]: one for one in up.open_http().get("/v1/rounds").json()["data"]}
    assert found[whole.hex()]["status"] == "full"
    assert found[whole.hex()]["receipt_digest"] == swarm["receipt_digest"]
    assert found[lost.hex()]["status"] == "interrupted"
    assert found[lost.hex()]["receipt_url"] is None


def test_a_second_gateway_on_the_same_data_leaves_the_first_one_s_rounds_alone(tmp_path: Path) -> None:
    with open_gateway(tmp_path) as first:
        first.ask()
        database = first.serving.gateway.rounds._database
        first.run(
            lambda: database.run(lambda connection: connection.execute("UPDATE round SET status = 'running'"))
        )
        with open_gateway(tmp_path) as second:
            assert [one["status"] for one in second.open_http().get("/v1/rounds").json()["data"]] == [
                "running"
            ]


# -- rounds that are not whole ---------------------------------------------------------------------


class Faulty(ScriptedModel):
    """Fails for some peers' answers, as a backend does that is down for them."""

    def __init__(self, failing: Sequence[bytes]) -> None:
        super().__init__()
        self.failing = failing

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        if any(request.seat_key in self.failing for request in requests):
            raise ModelError("http://10.0.0.7:8000 refused, see /var/log/secret")
        return super().generate(requests)


def use_faulty(patch: pytest.MonkeyPatch, *, failing: int) -> None:
    """Have so many peers of the seeded swarm fail to answer."""
    keys = create_local_keys(peers=SEATS_MIN, seed=compute_seed(SEED))
    alone = [keys.asker] if failing == SEATS_MIN else []  # under whose key the helper answers
    model = Faulty([pair.key for pair in (*keys.peers[:failing], *alone)])

    def open_faulty(spec: str, *, progress: object) -> Model:
        return model

    patch.setattr("swarm.edge.asking.open_model", open_faulty)


@pytest.mark.slow
def test_a_partial_answer_says_so_to_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_faulty(monkeypatch, failing=1)
    with open_gateway(tmp_path, seed=SEED) as up:
        answer = up.ask(swarm={"provenance": True}, n=2).json()
        banner, _, text = answer["choices"][0]["message"]["content"].partition("\n\n")
        assert banner.startswith("[PARTIAL: 1 of 4 seats missing (seat ")
        assert "a quorum of 3 certified" in banner
        assert text == answer["swarm"]["ranking"][0]["text"]
        assert all(choice["message"]["content"].startswith(banner) for choice in answer["choices"])
        assert answer["swarm"]["status"] == "partial"
        assert {gone["step"] for gone in answer["swarm"]["missing"]} >= {0}
        plain = up.ask(swarm={"provenance": True, "banner": False}).json()
        assert plain["choices"][0]["message"]["content"] == plain["swarm"]["ranking"][0]["text"]
        refused = up.ask(swarm={"on_partial": "reject"})
        assert refused.status_code == 503
        error = refused.json()["error"]
        assert error["code"] == "partial_rejected"
        assert int(refused.headers["retry-after"]) >= 1
        details = up.open_http().get(f"/v1/rounds/{error['round_id']}").json()
        assert details["status"] == "partial"  # it was certified, and stays to be looked up
        assert details["receipt_url"]
        stream = up.ask(stream=True, swarm={"on_partial": "reject"}).text
        assert '"code":"partial_rejected"' in stream.splitlines()[-2]


def test_where_no_model_answers_nobody_waits_and_nothing_is_leaked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_faulty(monkeypatch, failing=4)
    with open_gateway(tmp_path, seed=SEED) as up:
        failed = up.ask()
        assert failed.status_code == 503
        assert failed.json()["error"]["code"] == "model_failed"
        assert "10.0.0.7" not in failed.text
        assert "secret" not in failed.text
        long = up.ask(messages=[{"role": "user", "content": "word " * 10_000}])
        assert long.status_code == 400
        assert long.json()["error"]["code"] == "context_length_exceeded"
        (_, first) = up.open_http().get("/v1/rounds").json()["data"]
        assert first["status"] == "unanswered"
        assert up.ask(model="helper").json()["error"]["code"] == "model_failed"


def test_a_seeded_round_that_came_to_nothing_is_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_faulty(monkeypatch, failing=4)
    with open_gateway(tmp_path, seed=SEED) as up:
        ids = {up.ask(seed=1).json()["error"]["round_id"] for _ in range(3)}
        assert len(ids) == 3
        host = up.serving.gateway.asker.host
        assert host is not None
        model = host._model
        assert isinstance(model, Faulty)
        model.failing = ()
        answered = {up.ask(seed=1).json()["id"] for _ in range(2)}
        assert len(answered) == 1


def test_a_receipt_that_cannot_be_kept_keeps_the_answer_back(tmp_path: Path) -> None:
    with open_gateway(tmp_path) as up:
        receipts = tmp_path / "data" / "receipts"
        receipts.parent.mkdir(exist_ok=True)
        receipts.write_text("in the way")
        failed = up.ask()
        assert failed.status_code == 503
        assert failed.json()["error"]["code"] == "not_kept"
        assert str(tmp_path) not in failed.text
        assert up.serving.gateway.asker.past.backing is None  # no later receipt rests on one that is lost
        receipts.unlink()
        assert up.ask().status_code == 200


def test_a_database_that_fails_ends_requests_in_errors_that_name_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_gateway(tmp_path) as up:
        with open_database(Paths(data=tmp_path / "data", cache=tmp_path)) as other:
            other.call(lambda connection: connection.execute("DROP TABLE round"))
        whole, streamed, listed = up.ask(), up.ask(stream=True), up.open_http().get("/v1/rounds")
        assert (whole.status_code, streamed.status_code, listed.status_code) == (503, 200, 503)
        for answer in (whole, streamed, listed):
            assert '"code":"storage_failed"' in answer.text
            assert "no such table" not in answer.text
            assert str(tmp_path) not in answer.text
        assert up.open_http().get("/healthz").status_code == 200
    assert "no such table" in caplog.text  # the operator is told


def test_metrics_tell_what_happened_and_no_texts(up: Up) -> None:
    up.ask()
    up.open_http().get("/v1/rounds/" + "0" * 64)
    text = up.open_http().get("/metrics").text
    assert 'peerage_rounds_total{model="swarm",status="full"}' in text
    assert 'peerage_http_requests_total{route="/v1/rounds/{round_id}",status="404"} ' in text
    assert "peerage_peers_linked 4.0" in text
    assert "peerage_rounds_running 0.0" in text
    assert QUESTION not in text
