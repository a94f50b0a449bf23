"""The metrics that alerts and docs name are those that a peer shows."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from swarm.peer.metrics import PeerCollector
from swarm.peer.tally import Tally
from swarm.peer.vitals import Vitals
from tests.peer.kit import make_places

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"peerage_peer_[a-z_]+")


def show(tmp_path: Path) -> str:
    places, file = make_places(tmp_path, 4)
    vitals = Vitals(
        config=places[0].config,
        file=file,
        key=places[0].signer.key,
        directory=places[0].directory,
        started_ms=1_000,
        tally=Tally(opened=2, declined=1, penalties=3, halted="disk full"),
        get_links=lambda: file.network.keys[:2],
        count_open=lambda: 1,
        get_clock_behind_s=lambda: 2.5,
        get_problems=lambda: ("the log cannot be written",),
        is_up=True,
    )
    registry = CollectorRegistry()
    registry.register(PeerCollector(vitals))
    return generate_latest(registry).decode()


def test_figures_are_the_peers(tmp_path: Path) -> None:
    lines = show(tmp_path).splitlines()
    for line in (
        "peerage_peer_links 2.0",
        "peerage_peer_rounds_open 1.0",
        "peerage_peer_halted 1.0",
        "peerage_peer_problems 1.0",
        "peerage_peer_clock_behind_seconds 2.5",
        "peerage_peer_declined_total 1.0",
        "peerage_peer_penalties_total 3.0",
        "peerage_peer_started_seconds 1.0",
    ):
        assert line in lines


def test_alerts_and_docs_name_what_is_shown(tmp_path: Path) -> None:
    shown = {
        line.split("{")[0].split(" ")[0]
        for line in show(tmp_path).splitlines()
        if line.startswith("peerage_peer_")
    }
    alerts = NAME.findall((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    assert {*alerts} <= shown
    documented = NAME.findall((ROOT / "docs" / "deployment.md").read_text())
    assert {*documented} == shown
