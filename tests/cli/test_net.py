"""`peerage net`: networks are made of members, joined by them, and trusted by their file."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from consensus.identity import KeyPair
from swarm.edge.key_rotation import create_rotation
from tests.cli.console import Ran, run
from tests.peer.kit import PASSWORD, make_place

KEYS = [KeyPair(bytes([index + 1]) * 32).key.hex() for index in range(5)]


@pytest.fixture(autouse=True)
def _data_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path / "data"))


def create(tmp_path: Path, *options: str, keys: Sequence[str] = KEYS) -> Ran:
    members = [part for i, key in enumerate(keys) for part in ("--member", f"peer-{i}={key}")]
    return run("net", "create", "home", *members, "--out", str(tmp_path / "home.json"), *options)


def test_a_network_is_made_shown_and_known(tmp_path: Path) -> None:
    made = create(tmp_path, "--member", f"last={'ab' * 32}@wss://a.example:4242", "--seats", "5", "--json")
    assert made.code == 0, made.err
    value = made.json
    assert (value["name"], value["seats"], value["deadline_s"]) == ("home", 5, 120.0)
    members = value["members"]
    assert isinstance(members, list)
    assert {(one["label"], one["url"]) for one in members if isinstance(one, dict)} == {
        *((f"peer-{i}", None) for i in range(5)),
        ("last", "wss://a.example:4242"),
    }
    shown = run("net", "show", str(tmp_path / "home.json"), "--json").json
    assert shown == value
    assert f"network home, {value['network_id']}" in run("net", "show", str(tmp_path / "home.json")).out
    genesis = tmp_path / "data" / "networks" / f"{str(value['network_id'])[:16]}.genesis"
    assert genesis.exists()


def test_members_may_stand_in_a_file(tmp_path: Path) -> None:
    listing = tmp_path / "members"
    listing.write_text("# ours\n\n" + "\n".join(f"p{i}={key}" for i, key in enumerate(KEYS)) + "\n")
    made = create(tmp_path, "--members", str(listing), "--json", keys=[])
    assert made.code == 0, made.err
    assert made.json["seats"] == 5


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ((), 3, "got 3 members, expected 4"),
        (("--member", "nonsense"), 2, "expected LABEL=KEY"),
        (("--member", "x=abcd"), 2, "64 hexadecimal digits"),
        (("--member", f"x={KEYS[3]}@"), 2, "expected LABEL=KEY"),
        (("--member", f"x={KEYS[3]}@http://a:1"), 3, "wss://HOST:PORT"),
        (("--member", f"x={KEYS[0]}"), 3, "distinct keys"),
        (("--member", f"x={KEYS[3]}", "--seats", "5"), 3, "committees of 5 seats"),
        (("--member", f"x={KEYS[3]}", "--deadline", "0"), 3, "deadline"),
        (("--members", "/nowhere"), 3, "cannot read /nowhere"),
    ],
)
def test_what_makes_no_network_is_refused(
    tmp_path: Path, options: tuple[str, ...], code: int, word: str
) -> None:
    ran = create(tmp_path, *options, keys=KEYS[:3])
    assert ran.code == code, ran.err
    assert word in ran.err
    assert not (tmp_path / "home.json").exists()


def test_a_member_whose_key_was_rotated_gets_the_new_one(tmp_path: Path) -> None:
    old, new = KeyPair(bytes([1]) * 32), KeyPair(bytes([77]) * 32)
    rotation = tmp_path / "rotation.json"
    rotation.write_bytes(create_rotation(old, new, issued_ms=1_000))
    made = create(tmp_path, "--rotation", str(rotation), "--json")
    assert made.code == 0, made.err
    members = made.json["members"]
    assert isinstance(members, list)
    keys = {one["label"]: one["key"] for one in members if isinstance(one, dict)}
    assert keys["peer-0"] == new.key.hex()
    assert {*keys.values()} == {new.key.hex(), *KEYS[1:]}


def test_a_rotation_of_nobody_or_of_bad_signatures_is_refused(tmp_path: Path) -> None:
    old, new = KeyPair(bytes([99]) * 32), KeyPair(bytes([77]) * 32)
    rotation = tmp_path / "rotation.json"
    rotation.write_bytes(create_rotation(old, new, issued_ms=1_000))
    stranger = create(tmp_path, "--rotation", str(rotation))
    assert stranger.code == 3
    assert "which no member has" in stranger.err
    rotation.write_text(rotation.read_text().replace(new.key.hex(), KEYS[1]))
    forged = create(tmp_path, "--rotation", str(rotation))
    assert forged.code == 3
    assert not (tmp_path / "home.json").exists()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text("mine")
    ran = create(tmp_path)
    assert ran.code == 3
    assert "is there already" in ran.err
    assert (tmp_path / "home.json").read_text() == "mine"


def test_a_member_joins_and_a_stranger_does_not(tmp_path: Path) -> None:
    assert create(tmp_path).code == 0
    file = str(tmp_path / "home.json")
    member, stranger = make_place(tmp_path / "m", 0, port=None), make_place(tmp_path / "s", 9, port=None)
    joined = run("net", "join", file, "--dir", str(member.directory))
    assert joined.code == 0, joined.err
    assert (member.directory / "network.json").read_bytes() == Path(file).read_bytes()
    refused = run("net", "join", file, "--dir", str(stranger.directory))
    assert refused.code == 3
    assert "is no member of 'home'" in refused.err
    nobody = run("net", "join", file, "--dir", str(tmp_path / "none"))
    assert nobody.code == 3
    assert "peer init" in nobody.err


def test_another_network_is_joined_only_on_purpose(tmp_path: Path) -> None:
    assert create(tmp_path).code == 0
    first, place = tmp_path / "home.json", make_place(tmp_path / "m", 0, port=None)
    assert run("net", "join", str(first), "--dir", str(place.directory)).code == 0
    again = run("net", "join", str(first), "--dir", str(place.directory))
    assert again.code == 0
    first.rename(tmp_path / "first.json")
    assert create(tmp_path).code == 0
    other = run("net", "join", str(tmp_path / "home.json"), "--dir", str(place.directory))
    assert other.code == 3
    assert "--replace" in other.err
    assert (
        run("net", "join", str(tmp_path / "home.json"), "--dir", str(place.directory), "--replace").code == 0
    )


def test_who_has_no_peer_gets_to_know_the_network(tmp_path: Path) -> None:
    assert create(tmp_path, "--json").code == 0
    ran = run("net", "join", str(tmp_path / "home.json"))
    assert ran.code == 0
    assert "ask --network" in ran.err


def test_a_peer_that_is_in_no_network_does_not_run(tmp_path: Path) -> None:
    place = make_place(tmp_path / "m", 0, port=None)
    password = tmp_path / "password"
    password.write_bytes(PASSWORD)
    password.chmod(0o600)
    options = ("--dir", str(place.directory), "--password-file", str(password), "--allow-volatile")
    ran = run("peer", "run", *options)
    assert ran.code == 3
    assert "is in no network" in ran.err
    status = run("peer", "status", "--dir", str(place.directory), "--json")
    assert (status.code, status.json["state"]) == (1, "stopped")
    assert run("peer", "pause", "--dir", str(place.directory)).code == 3


@pytest.mark.parametrize("option", [("--model", "scripted"), ("--judge", "letters"), ("--seed", "x")])
def test_options_of_local_peers_do_not_go_with_a_network(tmp_path: Path, option: tuple[str, str]) -> None:
    assert create(tmp_path).code == 0
    ran = run("ask", "What?", "--network", str(tmp_path / "home.json"), *option)
    assert ran.code == 2
    assert f"{option[0]} is about local peers" in ran.err


def test_a_network_has_no_more_seats_than_members(tmp_path: Path) -> None:
    assert create(tmp_path).code == 0
    ran = run("ask", "What?", "--network", str(tmp_path / "home.json"), "--peers", "6")
    assert ran.code == 3
    assert "committees of 6 seats, expected 4 to 5" in ran.err


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"schema": "other"}))
    for command in (("net", "show"), ("net", "join"), ("ask", "What?", "--network")):
        ran = run(*command, str(tmp_path / "x.json"))
        assert ran.code == 3, command
        assert "is no network file" in ran.err
