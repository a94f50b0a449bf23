"""`peerage verify`: consistent and trusted kept apart, the failed step named, honest exit codes."""

from pathlib import Path

import pytest

from consensus.genesis import Member, create_network
from consensus.identity import KeyPair
from tests.cli.conftest import Kept
from tests.cli.console import Ran, run, run_process

FIELDS = ("schema", "consistent", "trusted", "winner", "status", "checks")


def get_failed(ran: Ran) -> list[str]:
    return [line.split()[0] for line in ran.out.splitlines() if " FAILED " in line]


def get_network_id(kept: Kept) -> str:
    return str(kept.said["network"])


@pytest.fixture
def known(kept: Kept, tmp_path: Path) -> Path:
    """The network, as one that this machine knows."""
    path = tmp_path / "data" / "networks" / f"{get_network_id(kept)[:16]}.genesis"
    path.parent.mkdir(parents=True)
    path.write_bytes(kept.genesis.read_bytes())
    return path


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Another network's genesis."""
    members = tuple(Member(KeyPair(bytes([place]) * 32).key, b"") for place in range(4))
    path = tmp_path / "other.genesis"
    path.write_bytes(create_network(name=b"other", beacon=bytes(32), members=members).genesis_bytes)
    return path


def test_a_good_receipt_is_consistent_and_not_called_trusted(kept: Kept) -> None:
    ran = run_process("verify", str(kept.path))
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[:8]] == [f"{number}." for number in range(1, 9)]
    assert lines[8:] == [
        "consistent; NOT trusted: its keys are self-declared (name a network with --trust)",
        "status: full",
        "winner: 342",
    ]


def test_json_has_exactly_the_promised_meaning(kept: Kept) -> None:
    ran = run("verify", str(kept.path), "--json")
    said = ran.json
    assert ran.code == 0
    assert [name for name in FIELDS if name not in said] == []
    assert (said["schema"], said["consistent"], said["trusted"]) == ("peerage.verify/1", True, False)
    assert (said["winner"], said["status"]) == ("342", "full")
    assert said["result_digest"] == kept.said["result_digest"]
    checks = said["checks"]
    assert isinstance(checks, list)
    assert [check["step"] for check in checks if isinstance(check, dict)] == list(range(1, 9))


def test_from_stdin(kept: Kept) -> None:
    assert run("verify", "-", stdin=kept.data).code == 0
    assert run("verify", "-", stdin=kept.data[:-1]).code == 5
    assert run("verify", "-").code == 5


def test_no_network_and_no_data_directory_are_needed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", "/dev/null/nothing")
    assert run("verify", str(kept.path)).code == 0


def test_an_altered_receipt_names_the_step(kept: Kept, tmp_path: Path) -> None:
    data = kept.data
    place = data.rindex(b"342")
    path = tmp_path / "altered"
    path.write_bytes(data[:place] + b"343" + data[place + 3 :])
    ran = run("verify", str(path))
    assert ran.code == 5
    assert get_failed(ran) in (["4."], ["5."])
    assert "NOT CONSISTENT" in ran.out
    assert "winner" not in ran.out
    said = run("verify", str(path), "--json")
    assert said.code == 5
    assert (said.json["consistent"], said.json["winner"], said.json["status"]) == (False, None, None)
    assert f"{said.json['failed_step']}." in get_failed(ran)


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_receipt_cut_short_fails_step_1(kept: Kept, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut"
    path.write_bytes(kept.data[:cut])
    ran = run("verify", str(path))
    assert (ran.code, get_failed(ran)) == (5, ["1."])


def test_more_bytes_than_a_receipt_may_have(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(kept.data + bytes(8 * 1024 * 1024))
    ran = run("verify", str(path))
    assert (ran.code, get_failed(ran)) == (5, ["1."])


@pytest.mark.parametrize("place", [".", "/nonexistent", "/dev/null/x"])
def test_what_is_no_file(place: str) -> None:
    ran = run("verify", place)
    assert (ran.code, ran.out) == (3, "")
    assert "cannot read" in ran.err


def test_trust_by_file_and_by_the_beginning_of_an_id(kept: Kept, known: Path) -> None:
    network = get_network_id(kept)
    for trust in (str(kept.genesis), network, network[:16], network[:4], network.upper()):
        ran = run("verify", str(kept.path), "--trust", trust)
        assert ran.code == 0, (trust, ran.err)
        assert "consistent and trusted" in ran.out
        assert run("verify", str(kept.path), "--trust", trust, "--json").json["trusted"] is True


def test_another_network_is_not_trusted_and_nothing_worse_is_said(kept: Kept, stranger: Path) -> None:
    ran = run("verify", str(kept.path), "--trust", str(stranger))
    assert (ran.code, get_failed(ran)) == (5, ["2."])
    assert "NOT TRUSTED" in ran.out
    assert "NOT CONSISTENT" not in ran.out
    said = run("verify", str(kept.path), "--trust", str(stranger), "--json")
    assert (said.code, said.json["trusted"]) == (5, False)


@pytest.mark.parametrize("trust", ["", "zz", "deadbeef", "/nonexistent", ".", "x" * 5_000])
def test_an_unknown_network_never_counts_as_trust(kept: Kept, known: Path, trust: str) -> None:
    ran = run("verify", str(kept.path), "--trust", trust)
    assert (ran.code, ran.out) == (3, "")
    assert "names no genesis file and 0 networks" in ran.err


def test_an_id_that_only_begins_right_is_not_the_network(kept: Kept, known: Path) -> None:
    wrong = get_network_id(kept)[:16] + "0" * 48
    assert run("verify", str(kept.path), "--trust", wrong).code == 3


def test_a_beginning_that_fits_two_networks(kept: Kept, known: Path) -> None:
    (known.parent / f"{known.stem[:8]}.genesis").write_bytes(known.read_bytes())
    ran = run("verify", str(kept.path), "--trust", known.stem[:4])
    assert ran.code == 3
    assert "2 networks" in ran.err


def test_a_file_that_is_no_genesis(kept: Kept) -> None:
    ran = run("verify", str(kept.path), "--trust", str(kept.path))
    assert (ran.code, ran.out) == (3, "")
    assert "is no genesis" in ran.err
