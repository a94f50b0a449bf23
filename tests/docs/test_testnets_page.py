"""docs/testnets.md names the rules, and the adversary it shows plays."""

import re
from pathlib import Path

import pytest

from sim_net.checkers.rules import LIVENESS, SAFETY
from sim_net.manifest import AdversarySettings, Manifest, SwarmSettings
from sim_net.outcome import create_recording
from sim_net.records import VerdictKind
from sim_net.run import Run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testnets.md").read_text("utf-8")


def test_every_rule_is_on_the_page() -> None:
    named = re.findall(r"^\| `([a-z]+)`(?: \(liveness\))? \| (.*) \|$", PAGE, re.M)
    assert dict(named) == {**SAFETY, **LIVENESS}


def test_the_adversary_on_the_page_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "mymodule.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    manifest = Manifest(
        name="parrot",
        swarm=SwarmSettings(peers=4),
        adversaries=(AdversarySettings(kind="mymodule:Parrot", peers=1, options={"times": 3}),),
    )
    run = Run(manifest, seed=1)
    run.execute()
    recording = create_recording(run, replay="")
    assert recording.verdict is VerdictKind.OK
    assert [peer.behaviour for peer in recording.peers].count("mymodule:Parrot") == 1
