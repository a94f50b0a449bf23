"""Peers on several hosts: one is cut off and healed, one dies with its host's cable, and nothing is lost."""

import sqlite3
from pathlib import Path

import pytest

from swarm.edge.network_file import read_network_file
from swarm.edge.peer_directory import STORE_NAME
from swarm.peer.stage import Stage, StagedPeer
from tests.e2e.namespaces import Host, open_hosts

PEERS, SEATS = 5, 5
PORT = 4_242


def make_stage(root: Path, hosts: list[Host]) -> Stage:
    """One peer a host, the last of which only dials out; the last host of all is the asker's."""
    stage = Stage(root, "scripted", asker_prefix=hosts[PEERS].prefix)
    for place, host in enumerate(hosts[:PEERS]):
        url = "" if place == PEERS - 1 else f"wss://{host.address}:{PORT}"
        label = f"peer-{place + 1}"
        stage.peers.append(StagedPeer(label, root / label, url, prefix=host.prefix))
    stage.make(introduced=2)
    return stage


def count_receipts(peer: StagedPeer) -> int:
    with sqlite3.connect(f"file:{peer.directory / STORE_NAME}?mode=ro", uri=True) as database:
        (count,) = database.execute("SELECT count(*) FROM receipt").fetchone()
    assert isinstance(count, int)
    return count


@pytest.mark.slow
def test_a_host_that_is_cut_off_and_healed_takes_part_again(tmp_path: Path) -> None:
    with open_hosts(PEERS + 1) as hosts:
        stage = make_stage(tmp_path, hosts)
        assert len(read_network_file(stage.network).addresses) == 2
        try:
            for peer in stage.peers:
                stage.start(peer)
            stage.wait_linked(stage.peers, PEERS - 1)
            stage.ask("What is 7 times 12?", seats=SEATS)

            hosts[2].cut()
            asked = stage.ask("What is 8 times 12?", seats=SEATS)
            assert asked["status"] == "partial", "a host that is cut off cannot take part"
            hosts[2].heal()
            stage.wait_linked(stage.peers, PEERS - 1)
            stage.ask_until_full("What is 9 times 12?", seats=SEATS)

            hosts[3].cut()  # and its peer dies, unseen by anybody
            stage.kill(stage.peers[3])
            assert stage.ask("What is 10 times 12?", seats=SEATS)["status"] == "partial"
            hosts[3].heal()
            stage.start(stage.peers[3])
            stage.wait_linked(stage.peers, PEERS - 1)
            stage.ask_until_full("What is 11 times 12?", seats=SEATS)
        finally:
            codes = stage.stop()
        assert set(codes) == {0}
        assert all(count_receipts(peer) >= 3 for peer in stage.peers)
        for peer in stage.peers:
            log = (peer.directory / "logs" / "events.jsonl").read_text()
            for bad in ("evidence_found", "second_machine", "node_halted"):
                assert f'"event":"{bad}"' not in log, peer.label
