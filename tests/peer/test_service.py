"""Peers run as services over real sockets and real databases; they are asked, paused, and go down well."""

import errno
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import trio

from consensus.errors import ConfigError, NetworkError
from consensus.verify import verify_receipt
from swarm.cli.exits import find_cause
from swarm.cli.peer_status import render_status
from swarm.edge import event_log
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import Asked, SwarmAsker
from swarm.edge.key_backup import RESTORED_NAME
from swarm.edge.log_rotation import RotationLimits, list_old_files
from swarm.edge.network_asking import open_network_asker
from swarm.edge.network_file import NetworkFile
from swarm.edge.paths import Paths
from swarm.edge.peer_directory import get_log_path
from swarm.peer import service as service_module
from swarm.peer.control import order
from swarm.peer.service import PeerService, open_peer
from swarm.peer.vitals import PeerState
from tests.peer.kit import Place, in_loop, make_places

PATIENCE_S = 60.0


@asynccontextmanager
async def open_peers(
    places: Sequence[Place], file: NetworkFile, notes: list[str] | None = None
) -> AsyncIterator[list[PeerService]]:
    with trio.fail_after(PATIENCE_S):
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    open_peer(
                        place.directory,
                        config=place.config,
                        file=file,
                        signer=place.signer,
                        note=([] if notes is None else notes).append,
                        checks_alone=False,  # that takes seconds; a test below is about it
                    )
                )
                for place in places
            ]


@asynccontextmanager
async def open_asker(directory: Path, file: NetworkFile, *, seats: int = 4) -> AsyncIterator[SwarmAsker]:
    paths = Paths(data=directory / "asker", cache=directory / "cache")
    options = AskOptions(peers=seats, deadline_s=30.0)
    async with open_network_asker(
        options, file, paths=paths, note=lambda _: None, on_progress=lambda _: None
    ) as asker:
        yield asker


async def wait_for(service: PeerService, *, links: int) -> None:
    while len(service.vitals.get_links()) < links:
        await trio.sleep(0.01)


def check_trusted(asked: Asked, file: NetworkFile) -> None:
    assert asked.receipt_path is not None, asked.reason
    verdict = verify_receipt(asked.receipt_path.read_bytes(), trusted_network=file.network.genesis_bytes)
    assert verdict.is_trusted


@in_loop
async def test_a_network_is_asked_and_its_receipts_are_trusted(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 4)
    async with open_peers(places, file) as services:
        await wait_for(services[0], links=3)
        async with open_asker(tmp_path, file) as asker:
            asked = await asker.ask("What is 7 times 12?")
        check_trusted(asked, file)
        said = await order(places[0].directory, do="status")
        assert said is not None
        assert (said["state"], said["ready"], said["label"]) == ("running", True, "peer-0")
        rounds = said["rounds"]
        assert isinstance(rounds, dict)
        assert rounds["taken"] == 1
    assert all(service.vitals.get_state() is PeerState.STOPPING for service in services)
    log = (places[0].directory / "logs" / "events.jsonl").read_text()
    assert '"event":"node_stopped"' in log
    assert "7 times 12" not in log


def test_a_peers_log_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "PEER_LOG_LIMITS", RotationLimits(bytes_max=1, files_kept=2))
    places, file = make_places(tmp_path, 4)

    @in_loop
    async def live() -> None:
        async with open_peers(places[:1], file):
            for reason in ("games", "a film", "sleep"):
                await order(places[0].directory, do="pause", reason=reason)

    live()
    assert len(list_old_files(get_log_path(places[0].directory))) == 2


def test_a_log_that_cannot_be_written_is_a_problem_that_its_owner_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, file = make_places(tmp_path, 4)

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    @in_loop
    async def live() -> None:
        async with open_peers(places[:1], file):
            directory = places[0].directory
            said = await order(directory, do="status")
            assert said is not None
            assert said["problems"] == []
            with monkeypatch.context() as patched:
                patched.setattr(event_log, "_write_whole", refuse)
                await order(directory, do="pause", reason="a film")
            said = await order(directory, do="status")
            assert said is not None
            assert "cannot write the event log" in str(said["problems"])
            assert "  problem  cannot write the event log" in render_status(said)
            await order(directory, do="unpause")
            said = await order(directory, do="status")
            assert said is not None
            assert said["problems"] == []

    live()


@in_loop
async def test_a_paused_peer_declines_and_is_missing(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 4)
    async with open_peers(places, file) as services:
        await wait_for(services[0], links=3)
        said = await order(places[3].directory, do="pause", reason="games")
        assert said is not None
        assert (said["state"], said["reason"], said["ready"]) == ("paused", "games", False)
        await order(places[3].directory, do="pause", reason="a film")  # what askers are told follows
        log = (places[3].directory / "logs" / "events.jsonl").read_text()
        assert re.findall(r'"event":"node_paused","reason":"([^"]*)"', log) == ["games", "a film"]
        async with open_asker(tmp_path, file) as asker:
            asked = await asker.ask("What is 7 times 12?")
            assert asked.report is not None
            assert asked.report.status.name == "PARTIAL"
            await order(places[3].directory, do="unpause")
            again = await asker.ask("What is 8 times 12?")
        check_trusted(again, file)
        assert again.report is not None
        assert again.report.status.name == "FULL"
        assert services[3].vitals.tally.declined == 1
        with pytest.raises(ConfigError, match="expected status, pause"):
            await order(places[3].directory, do="dance")


@in_loop
async def test_rounds_an_hour_are_kept_to(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 4)
    places[2] = replace(places[2], config=replace(places[2].config, rounds_per_hour=1))
    async with open_peers(places, file) as services:
        await wait_for(services[0], links=3)
        async with open_asker(tmp_path, file) as asker:
            first, second = await asker.ask("What is 1 + 1?"), await asker.ask("What is 2 + 2?")
        assert first.report is not None
        assert second.report is not None
        assert (first.report.status.name, second.report.status.name) == ("FULL", "PARTIAL")
        assert "as many as allowed" in services[2].vitals.pause_reason


@in_loop
async def test_a_peer_that_is_told_to_stop_ends_and_comes_back(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 4)
    async with open_peers(places[:3], file) as services:
        for _ in range(2):  # the same directory, twice
            async with open_peers(places[3:], file) as (last,):
                await wait_for(last, links=3)
                async with open_asker(tmp_path, file) as asker:
                    check_trusted(await asker.ask("What is 7 times 12?"), file)
                await order(places[3].directory, do="stop")
                assert last.stopped.is_set()
            assert await order(places[3].directory, do="status") is None
        assert services[0].vitals.tally.get_rounds()["full"] == 2


@in_loop
async def test_peers_that_only_dial_out_reach_each_other_through_others(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 6, outbound=2)
    async with open_peers(places, file) as services:
        for service in services:
            await wait_for(service, links=5)
        async with open_asker(tmp_path, file, seats=6) as asker:
            asked = await asker.ask("What is 7 times 12?")
        check_trusted(asked, file)
        assert asked.report is not None
        assert asked.report.status.name == "FULL"


@in_loop
async def test_a_peer_that_restarts_finds_the_others_by_what_it_kept(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 5)
    lonely = places[4]
    bare = replace(file, addresses={})  # as a network's file that names no address at all
    async with open_peers(places[:4], file) as services:
        async with open_peers([lonely], file) as (last,):
            await wait_for(last, links=4)
        async with open_peers([lonely], bare) as (last,):
            for service in (last, *services):
                await wait_for(service, links=4)


async def start(place: Place, file: NetworkFile) -> None:
    """Start a peer as its owner would, and stop it once it is up."""
    async with open_peer(
        place.directory, config=place.config, file=file, signer=place.signer, note=lambda _: None
    ):
        pass


@in_loop
async def test_a_second_machine_with_the_same_key_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.peer.alone.WAIT_S", 1.0)
    monkeypatch.setattr("swarm.peer.alone.LOOK_S", 0.5)
    places, file = make_places(tmp_path, 4)
    copied = tmp_path / "copied"
    shutil.copytree(places[3].directory, copied)
    twin = replace(places[3], directory=copied, config=replace(places[3].config, listen="", advertise=()))
    async with open_peers(places, file) as services:
        await wait_for(services[3], links=3)
        with pytest.raises(ConfigError, match="another machine runs with the key"):
            await start(twin, file)
        assert len(services[3].vitals.get_links()) == 3
    async with open_peers(places[:3], file) as services:
        await wait_for(services[0], links=2)
        await start(places[3], file)  # alone by now


@in_loop
async def test_a_restored_key_takes_no_rounds_until_old_ones_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.peer.service.OLD_ROUNDS_S", 1.0)
    places, file = make_places(tmp_path, 4)
    mark = places[0].directory / RESTORED_NAME
    mark.write_text("{}")
    async with open_peers(places[:1], file) as (service,):
        assert service.vitals.get_state() is PeerState.PAUSED
        assert "its key was restored" in service.vitals.pause_reason
        while service.vitals.pause_reason:
            await trio.sleep(0.05)
        assert not mark.exists()


@in_loop
async def test_metrics_and_health_are_there(tmp_path: Path) -> None:
    places, file = make_places(tmp_path, 4)
    places[0] = replace(places[0], config=replace(places[0].config, metrics="127.0.0.1:0"))
    notes: list[str] = []
    async with open_peers(places, file, notes) as services:
        await wait_for(services[0], links=3)
        (url,) = [note.partition(" at ")[2] for note in notes if note.startswith("metrics")]
        async with httpx2.AsyncClient() as client:
            text = (await client.get(url)).text
            ready = await client.get(url.replace("/metrics", "/readyz"))
            await order(places[0].directory, do="pause")
            paused = await client.get(url.replace("/metrics", "/readyz"))
            alive = await client.get(url.replace("/metrics", "/healthz"))
    assert "peerage_peer_up 1.0" in text
    assert "peerage_peer_links 3.0" in text
    assert 'peerage_peer_rounds_total{status="full"} 0.0' in text
    assert (ready.status_code, paused.status_code, alive.status_code) == (200, 503, 200)


@in_loop
async def test_a_network_where_nobody_answers_is_an_error_with_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, file = make_places(tmp_path, 4)
    monkeypatch.setattr("swarm.edge.network_asking.LINK_S_MAX", 0.5)
    with pytest.raises(ExceptionGroup) as caught:
        async with open_asker(tmp_path, file):
            pass
    error = find_cause(caught.value)
    assert isinstance(error, NetworkError)
    assert "no member of 'test' answered within 0.5 s (could not connect" in error.message
    assert "net show" in error.remedy
