"""Faults are planted on a real directory, with real sockets; each is found by its check, and by no other."""

import fcntl
import json
import os
import resource
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from consensus.identity import KeyPair, NetworkId
from models.hub_records import FileRecord, HubRecord, write_record
from models.weights import CONVERTED_DIR_NAME
from swarm.edge.addresses import sign_record
from swarm.edge.anchors import write_anchors
from swarm.edge.holding import hold_directory
from swarm.edge.log_rotation import RotationLimits
from swarm.edge.network_file import encode_network_file
from swarm.edge.peer_config import get_config_path, write_peer_config
from swarm.edge.peer_directory import ADDRESSES_NAME, KEY_NAME, get_log_path, get_network_path
from swarm.edge.sign_mark import get_mark_path
from swarm.peer.control import SOCKET_NAME
from swarm.peer.doctor import gather as gather_module
from swarm.peer.doctor import reach
from swarm.peer.doctor.examine import Report
from swarm.peer.doctor.facts import Wish
from swarm.peer.doctor.finding import Status
from swarm.peer.doctor.world import DiskSpace, Memory
from swarm.peer.stage import find_free_ports
from tests.peer.doctor.kit import NOW_MS, Scene, find, list_faults, list_warnings
from tests.peer.doctor.rounds import put_round, put_statement
from tests.peer.kit import PASSWORD, make_network_file, make_place

OTHER_NETWORK = NetworkId(b"\x66" * 32)

Plant = Callable[[Scene], None]


def expect(scene: Scene, id_: str, *words: str, wish: Wish | None = None) -> None:
    """Find one fault, and it is this one."""
    report = scene.look(wish)
    assert list_faults(report) == [id_], [find(report, one).seen for one in list_faults(report)]
    finding = find(report, id_)
    for word in words:
        assert word in finding.seen, finding.seen
    assert finding.cause
    assert finding.remedy
    assert not report.is_healthy


def test_a_healthy_peer_has_none(scene: Scene) -> None:
    for state, report in (("stopped", scene.look()), ("running", look_while_it_runs(scene))):
        assert report.state == state
        assert list_faults(report) == []
        assert list_warnings(report) == []
    assert find(report, "D21-reachable").status is Status.OK


def look_while_it_runs(scene: Scene) -> Report:
    with held(scene):
        return scene.look()


def test_a_running_peer_whose_lock_was_deleted(scene: Scene) -> None:
    scene.run()
    expect(scene, "D12-lock", "process 1 runs in it without holding it")


def test_a_running_peer_whose_files_were_replaced(scene: Scene) -> None:
    with held(scene):
        assert scene.said is not None
        said = dict(scene.said)
        scene.said["key"] = "55" * 32
        expect(scene, "D07-key-file", "the running peer has 5555")
        scene.said = {**said, "network": {"network_id": "66" * 32}}
        expect(scene, "D09-network", "the running peer is in 6666")


# The directory and its disk.


def test_no_directory(scene: Scene) -> None:
    scene.directory.rename(scene.directory.with_name("moved"))
    expect(scene, "D01-data-dir", "is not there")
    scene.directory.write_text("")
    expect(scene, "D01-data-dir", "is not a directory")


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_directory_that_takes_no_write(scene: Scene) -> None:
    with no_file_may_grow():
        report = scene.look()
    assert list_faults(report) == ["D01-data-dir"]
    assert "File too large" in find(report, "D01-data-dir").seen
    assert not list(scene.directory.glob(".doctor*"))


def test_a_directory_in_memory(scene: Scene) -> None:
    scene.world.mountinfo.write_text("22 1 0:5 / / rw - tmpfs tmpfs rw\n")
    expect(scene, "D02-persistent", "in memory")


@pytest.mark.parametrize("name", [".", "peer.toml", "peer.sqlite3", "network.json"])
def test_what_others_can_use(scene: Scene, name: str) -> None:
    path = scene.directory / name
    path.chmod(0o755 if path.is_dir() else 0o644)
    expect(scene, "D03-private", str(path))


def test_a_full_disk(scene: Scene) -> None:
    scene.change(get_disk_space=lambda _: DiskSpace(50 << 20, 1 << 20, 1 << 19))
    expect(scene, "D04-disk-space", "50.0 MiB free")
    scene.change(get_disk_space=lambda _: DiskSpace(500 << 20, 1 << 20, 1 << 19))
    assert list_warnings(scene.look()) == ["D04-disk-space"]


def test_a_file_system_without_inodes(scene: Scene) -> None:
    scene.change(get_disk_space=lambda _: DiskSpace(1 << 40, 1 << 20, 10))
    expect(scene, "D05-inodes", "10 more files")


# Settings, key, network.


@pytest.mark.parametrize(
    "text", ["label = ", 'label = "a"\nmodle = "x"\n', 'label = "a"\nthreads = -1\n', ""]
)
def test_settings_that_cannot_be_read(scene: Scene, text: str) -> None:
    get_config_path(scene.directory).write_text(text)
    expect(scene, "D06-settings")


def cut_key(scene: Scene) -> None:
    path = scene.directory / KEY_NAME
    path.write_bytes(path.read_bytes()[:100])


def open_key_to_others(scene: Scene) -> None:
    (scene.directory / KEY_NAME).chmod(0o644)


def remove_key(scene: Scene) -> None:
    (scene.directory / KEY_NAME).unlink()


@pytest.mark.parametrize("plant", [cut_key, open_key_to_others, remove_key])
def test_a_key_file_that_cannot_be_used(scene: Scene, plant: Plant) -> None:
    plant(scene)
    expect(scene, "D07-key-file")


def write_password(scene: Scene, password: bytes, mode: int = 0o600) -> Wish:
    path = scene.directory.parent / "password"
    path.write_bytes(password)
    path.chmod(mode)
    return Wish(password_file=path)


def test_a_wrong_password(scene: Scene) -> None:
    expect(scene, "D08-password", "does not open", wish=write_password(scene, b"another"))
    expect(scene, "D08-password", "0644", wish=write_password(scene, PASSWORD, 0o644))
    report = scene.look(write_password(scene, PASSWORD))
    assert list_faults(report) == []
    assert find(report, "D08-password").status is Status.OK


def test_a_key_file_that_names_another_key(scene: Scene) -> None:
    path = scene.directory / KEY_NAME
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "public_key": scene.places[1].signer.key.hex()}))
    assert "D08-password" in list_faults(scene.look(write_password(scene, PASSWORD)))


def test_no_network(scene: Scene) -> None:
    get_network_path(scene.directory).unlink()
    expect(scene, "D09-network", "in no network")
    get_network_path(scene.directory).write_bytes(b"{}")
    get_network_path(scene.directory).chmod(0o600)
    expect(scene, "D09-network", "is no network file")


def test_a_network_without_this_peer(scene: Scene) -> None:
    stranger = make_place(scene.directory.parent / "stranger", 9, port=find_free_ports(1)[0])
    others = make_network_file([*scene.places[1:], stranger])
    get_network_path(scene.directory).write_bytes(encode_network_file(others))
    scene.answering = [replace(one, network=others.network.network_id) for one in scene.answering]
    expect(scene, "D10-member", "is no member")


def test_nobody_is_known(scene: Scene) -> None:
    write_peer_config(scene.directory, replace(scene.place.config, advertise=()))
    get_network_path(scene.directory).write_bytes(encode_network_file(replace(scene.file, addresses={})))
    expect(scene, "D11-addresses", "0 of 3")


# Who holds it.


HOLD = """
import sys, pathlib
from swarm.edge.holding import hold_directory
with hold_directory(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_holds_it(scene: Scene) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(scene.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        expect(scene, "D12-lock", f"process {process.pid}", "answers no orders")
        scene.change(host="elsewhere")
        expect(scene, "D12-lock", f"process {process.pid}")
        process.stdin.close()
    assert list_faults(scene.look()) == []  # what it wrote into the lock means nothing any more


def test_a_process_that_is_gone_left_the_lock_to_a_child(scene: Scene) -> None:
    with (scene.directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(
            json.dumps({"pid": 2**22 + 1, "host": scene.world.host, "since": "2026-01-01T00:00:00+00:00"})
        )
        file.flush()
        (scene.directory / "lock").chmod(0o600)
        report = scene.look()
    assert list_faults(report) == ["D12-lock"]
    assert "is gone" in find(report, "D12-lock").cause


def test_a_peer_that_does_not_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_module, "STATUS_S_MAX", 0.2)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(scene.directory / SOCKET_NAME))
        (scene.directory / SOCKET_NAME).chmod(0o600)
        listener.listen(1)
        expect(scene, "D13-control", "does not answer")
        assert scene.look().state == "stuck"


def test_a_socket_that_a_crash_left(scene: Scene) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(scene.directory / SOCKET_NAME))
    (scene.directory / SOCKET_NAME).chmod(0o600)
    report = scene.look()
    assert (list_faults(report), list_warnings(report)) == ([], ["D13-control"])


def test_something_else_in_the_sockets_place(scene: Scene) -> None:
    (scene.directory / SOCKET_NAME).mkdir(mode=0o700)
    expect(scene, "D13-control", "is no socket")


# The database.


def cut_database(scene: Scene) -> None:
    os.truncate(scene.database, scene.database.stat().st_size - 4_096)


def scribble_on_database(scene: Scene) -> None:
    with scene.database.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 4_096)


def replace_database(scene: Scene) -> None:
    scene.database.write_bytes(b"not a database, but long enough to be looked at" * 100)


def change_schema(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.database)) as connection:
        connection.execute("DROP TRIGGER signed_once")
        connection.commit()


@pytest.mark.parametrize("plant", [cut_database, scribble_on_database, replace_database, change_schema])
def test_a_damaged_database(scene: Scene, plant: Plant) -> None:
    plant(scene)
    expect(scene, "D14-database")


def test_a_newer_database(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.database)) as connection:
        connection.execute("INSERT INTO meta (version, name) VALUES (99, 'from-the-future')")
        connection.commit()
    expect(scene, "D15-schema", "from-the-future")


def test_a_round_of_another_network_that_never_ended(scene: Scene) -> None:
    put_round(scene, scene.file, counter=1)
    assert list_faults(scene.look()) == []
    stranger = make_place(scene.directory.parent / "stranger", 9, port=None)
    other = make_network_file([*scene.places[:3], stranger])
    put_round(scene, other, counter=1)
    expect(scene, "D16-owner", "rounds of other networks", "1 of them never finished")


def test_another_peers_statements(scene: Scene) -> None:
    round_id = put_round(scene, scene.file, counter=1)
    put_statement(scene, round_id, scene.places[0].signer)
    assert list_faults(scene.look()) == []
    other = put_round(scene, scene.file, counter=2)
    put_statement(scene, other, scene.places[1].signer)
    expect(scene, "D16-owner", "signed by another key")


def test_an_older_copy_of_the_database(scene: Scene) -> None:
    copy = scene.database.read_bytes()
    put_round(scene, scene.file, counter=1)
    scene.database.write_bytes(copy)
    expect(scene, "D17-sign-mark", "writes behind its mark")
    scene.database.unlink()
    expect(scene, "D17-sign-mark", "there is no peer.sqlite3")


def test_a_mark_that_is_gone_or_damaged(scene: Scene) -> None:
    mark = get_mark_path(scene.database)
    mark.write_bytes(b"something else")
    expect(scene, "D17-sign-mark", "is damaged")
    mark.unlink()
    expect(scene, "D17-sign-mark", "is missing")


# Addresses.


@contextmanager
def occupied() -> Iterator[int]:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_an_occupied_port(scene: Scene) -> None:
    with occupied() as port:
        write_peer_config(scene.directory, replace(scene.place.config, listen=f"127.0.0.1:{port}"))
        expect(scene, "D18-listen", f"port {port} of 127.0.0.1 is in use")


def test_an_address_of_another_machine(scene: Scene) -> None:
    write_peer_config(scene.directory, replace(scene.place.config, listen="192.0.2.1:4242"))
    expect(scene, "D18-listen", "192.0.2.1:4242")


def test_an_occupied_port_for_metrics(scene: Scene) -> None:
    with occupied() as port:
        write_peer_config(scene.directory, replace(scene.place.config, metrics=f"127.0.0.1:{port}"))
        expect(scene, "D19-metrics", f"port {port}")


def test_a_host_that_is_no_name(scene: Scene) -> None:
    write_peer_config(scene.directory, replace(scene.place.config, advertise=("wss://a..b:4242",)))
    expect(scene, "D20-advertised-host", "a..b has no address")


@contextmanager
def held(scene: Scene) -> Iterator[None]:
    """Hold the directory as the running peer does, whose process this one is."""
    scene.run(pid=os.getpid())
    with hold_directory(scene.directory):
        yield


def test_a_running_peer_that_nobody_reaches(scene: Scene) -> None:
    with held(scene):
        assert list_faults(scene.look()) == []
        *others, own = scene.answering
        scene.answering = others
        expect(scene, "D21-reachable", "nobody answers")
        scene.answering = [*others, replace(own, signer=KeyPair(b"\x55" * 32))]
        expect(scene, "D21-reachable", "a peer with another key answers")
        scene.answering = [*others, replace(own, network=OTHER_NETWORK)]
        expect(scene, "D21-reachable", "a peer of another network answers")


def test_what_others_see_goes_before_what_is_seen_from_here(scene: Scene) -> None:
    with held(scene):
        scene.dialed_back = (False, False)
        expect(scene, "D21-reachable", "0 of 2 members asked reach it; dialed from here it answers")
        scene.dialed_back = (False, True)
        assert list_faults(scene.look()) == []
        scene.answering = scene.answering[:-1]  # a router that leads nobody back to where they are
        seen = find(scene.look(), "D21-reachable")
        assert seen.status is Status.OK
        assert "1 of 2 members asked reach it; dialed from here nobody answers" in seen.seen


def test_members_that_are_not_who_they_should_be(scene: Scene) -> None:
    first, *others = scene.answering
    for wrong, words in (
        (replace(first, network=OTHER_NETWORK), "a peer of another network answers (it is in network 6666"),
        (replace(first, signer=KeyPair(b"\x55" * 32)), "a peer with another key answers"),
        (replace(first, version_min=7, version_max=9), "(it speaks 7 to 9, this one 1 to"),
    ):
        scene.answering = [wrong, *others]
        expect(scene, "D22-members", "2 of 3 members answer", words)


def test_members_that_are_down(scene: Scene) -> None:
    everyone = scene.answering
    scene.answering = everyone[1:]
    report = scene.look()
    assert (list_faults(report), list_warnings(report)) == ([], ["D22-members"])
    scene.answering = []
    expect(scene, "D22-members", "0 of 3 members answer")
    with held(scene):
        assert scene.said is not None
        scene.said["links"] = [{"key": one.signer.key.hex()} for one in everyone]
        assert list_faults(scene.look()) == []  # links show better than a dial that they answer
        scene.said["links"] = [{"key": "55" * 32}]  # an asker
        expect(scene, "D22-members", "0 of 3 members answer")


def test_of_a_large_network_some_members_are_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "MEMBERS_DIALED_MAX", 2)
    assert find(scene.look(), "D22-members").seen == "2 of 2 members answer (1 more were not asked)"


def test_something_at_a_members_address_that_is_no_peer(scene: Scene) -> None:
    first, *scene.answering = scene.answering
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(first.url.rpartition(":")[2])))
        listener.listen(1)
        report = scene.look()
    assert list_warnings(report) == ["D22-members"]


# Time.


def test_a_clock_that_was_never_set(scene: Scene) -> None:
    scene.change(get_wall_ms=lambda: 12_000)
    expect(scene, "D23-clock", "12 s since 1970")


def test_a_clock_that_was_set_back(scene: Scene) -> None:
    scene.log(("node_started", NOW_MS + 3_600_000, {"rounds": 0}))
    expect(scene, "D23-clock", "ends 1.0 h after now")


def test_a_clock_that_jumped_while_the_peer_ran(scene: Scene) -> None:
    with held(scene):
        scene.change(get_age_s=lambda _: 10.0)  # it says to have been up for a minute
        assert list_warnings(scene.look()) == ["D23-clock"]


def test_a_clock_behind_that_of_others(scene: Scene) -> None:
    def save(issued_ms: int) -> None:
        other = scene.places[1]
        record = sign_record(
            other.signer, scene.file.network.network_id, other.config.advertise, issued_ms=issued_ms
        )
        write_anchors(scene.directory / ADDRESSES_NAME, [record])

    save(NOW_MS - 60_000)
    report = scene.look()
    assert list_faults(report) == []
    assert find(report, "D24-clock-skew").status is Status.OK
    save(NOW_MS + 3_600_000)
    expect(scene, "D24-clock-skew", "1.0 h ahead")


# Model and machine.


def set_model(scene: Scene, model: str, **fields: str | int) -> None:
    write_peer_config(scene.directory, replace(scene.place.config, model=model, **fields))  # type: ignore[arg-type]


def test_an_unknown_model(scene: Scene) -> None:
    set_model(scene, "embeded")
    expect(scene, "D25-model", "no model is called 'embeded'")
    set_model(scene, "scripted:accuracy=7")
    expect(scene, "D25-model")


def test_a_damaged_model(scene: Scene) -> None:
    set_model(scene, "embedded")
    assert list_warnings(scene.look()) == ["D25-model"]  # not here yet: the next start fetches it
    converted = scene.world.cache / CONVERTED_DIR_NAME
    converted.mkdir(parents=True)
    (converted / "model.safetensors").write_bytes(b"cut short")
    expect(scene, "D25-model", "is damaged or incomplete")


def test_a_model_of_the_hub_that_was_changed(scene: Scene) -> None:
    place = scene.world.cache / "files"
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b"{}")
    files = {"config.json": FileRecord(sha256="00" * 32, size=2)}
    record = HubRecord(1, "own/er", "main", "0" * 40, "", str(place), "00" * 32, files)
    write_record(scene.world.cache, record)
    set_model(scene, "hf:own/er")
    expect(scene, "D25-model", "config.json of hf:own/er")


def test_a_models_server_that_is_down(scene: Scene) -> None:
    set_model(scene, f"openai:m@http://127.0.0.1:{find_free_ports(1)[0]}/v1")
    expect(scene, "D25-model", "does not take connections")


@pytest.mark.slow
def test_a_model_that_does_not_load(scene: Scene) -> None:
    place = scene.directory.parent / "model"
    place.mkdir()
    (place / "config.json").write_text("{}")
    set_model(scene, str(place))
    assert list_faults(scene.look()) == []
    expect(scene, "D25-model", "weights", wish=Wish(is_loading=True))


@pytest.mark.parametrize("judge", ["lettres", "likelihood:prompts=99", "probe:nowhere.json"])
def test_an_unknown_judge(scene: Scene, judge: str) -> None:
    set_model(scene, scene.place.config.model, judge=judge)
    expect(scene, "D26-judge")


def test_more_threads_than_processors(scene: Scene) -> None:
    set_model(scene, scene.place.config.model, threads=64)
    assert list_warnings(scene.look()) == ["D27-threads"]


def test_a_model_beyond_what_is_allowed(scene: Scene) -> None:
    place = scene.directory.parent / "model"
    place.mkdir()
    (place / "config.json").write_text("{}")
    with (place / "model.safetensors").open("wb") as file:
        file.truncate(1 << 30)
    set_model(scene, str(place), memory_mb=512)
    expect(scene, "D28-memory", "2816 MiB needed", "512 allowed")
    set_model(scene, str(place))
    scene.change(get_memory=lambda: Memory(1 << 30, 1 << 29))
    expect(scene, "D28-memory", "the machine has 1.0 GiB")
    scene.change(get_memory=lambda: Memory(1 << 34, 1 << 29))
    assert list_warnings(scene.look()) == ["D28-memory"]


def test_too_few_open_files(scene: Scene) -> None:
    scene.change(get_files_max=lambda _: 32)
    expect(scene, "D29-open-files", "32 open files")
    scene.change(get_files_max=lambda _: 128)
    assert list_warnings(scene.look()) == ["D29-open-files"]


def test_libraries_that_do_not_fit(scene: Scene) -> None:
    scene.change(find_version=lambda name: "0.1" if name == "trio" else "99.0" if name == "torch" else None)
    expect(scene, "D30-versions", "trio 0.1, expected")


# Its life.


@pytest.mark.parametrize("line", [b"{}\n", b"\xff\xfe\n", b'{"schema":"another"}\n'])
def test_a_damaged_log(scene: Scene, line: bytes) -> None:
    scene.log(("node_started", NOW_MS - 1_000, {"rounds": 0}))
    with get_log_path(scene.directory).open("ab") as file:
        file.write(line)
    expect(scene, "D31-event-log", "1 lines", "line 2")


def test_a_damaged_old_file_of_a_log_is_the_one_that_is_named(scene: Scene) -> None:
    one_each = RotationLimits(bytes_max=1, files_kept=9)
    started = ("node_started", NOW_MS - 1_000, {"rounds": 0})
    scene.log(started, started, started, limits=one_each)
    path = get_log_path(scene.directory)
    with path.with_name("events.000000000002.jsonl").open("ab") as file:
        file.write(b"{}\n")
    expect(scene, "D31-event-log", "events.000000000002.jsonl: 1 lines", "line 2")
    assert "events.000000000002.jsonl away" in find(scene.look(), "D31-event-log").remedy


def test_a_rotation_hides_nothing_of_a_peers_life(scene: Scene) -> None:
    one_each = RotationLimits(bytes_max=1, files_kept=9)
    halted = ("node_halted", NOW_MS - 2_000, {"reason": "no space left", "remedy": "make some"})
    scene.log(("node_started", NOW_MS - 5_000, {"rounds": 0}), halted, limits=one_each)
    expect(scene, "D33-halted", "no space left")
    scene.log(("dial_failed", NOW_MS - 1_000, {"reason": "x"}), limits=one_each)
    report = scene.look()
    assert list_faults(report) == ["D33-halted"]
    assert find(report, "D31-event-log").seen == "2 events", "of the last two files, however many are kept"


def test_rounds_that_never_end(scene: Scene) -> None:
    opened = ("round_opened", NOW_MS - 7_200_000, {"seat": 0, "seats": 4, "quorum": 3})
    scene.log(opened, opened, opened)
    assert list_warnings(scene.look()) == ["D32-rounds"]
    scene.log(("round_closed", NOW_MS - 60_000, {"status": "full"}))
    report = scene.look()
    assert list_warnings(report) == []
    assert "finished 1.0 min ago" in find(report, "D32-rounds").seen


def test_a_peer_that_fell_silent(scene: Scene) -> None:
    halted = ("node_halted", NOW_MS - 2_000, {"reason": "no space left", "remedy": "make some"})
    scene.log(("node_started", NOW_MS - 5_000, {"rounds": 0}), halted)
    expect(scene, "D33-halted", "no space left")
    assert find(scene.look(), "D33-halted").remedy == "make some"
    scene.log(("node_started", NOW_MS - 1_000, {"rounds": 0}))
    assert list_faults(scene.look()) == []


def test_a_key_that_another_machine_uses(scene: Scene) -> None:
    scene.log(
        ("node_started", NOW_MS - 5_000, {"rounds": 0}),
        ("second_machine", NOW_MS - 2_000, {"reason": "a peer with this key answers elsewhere"}),
    )
    expect(scene, "D33-halted", "another machine runs with its key")


def test_a_database_that_was_rolled_back(scene: Scene) -> None:
    scene.log(
        ("node_started", NOW_MS - 5_000, {"rounds": 0}),
        ("database_rolled_back", NOW_MS - 2_000, {"lost": 1, "abandoned": 0, "remedy": "look"}),
    )
    assert list_warnings(scene.look()) == ["D33-halted"]


def test_penalties(scene: Scene) -> None:
    other = scene.places[1].signer.key
    scene.log(*[("peer_penalised", NOW_MS - 1_000, {"reason": "nonsense"})] * 5, peer=other)
    report = scene.look()
    assert list_warnings(report) == ["D34-penalties"]
    assert "peer-1" in find(report, "D34-penalties").seen
    for second in range(5):
        at_ms = NOW_MS - 100_000 + 10_000 * second
        scene.log(
            ("link_opened", at_ms, {}),
            ("link_closed", at_ms + 500, {"reason": "gone"}),
            peer=scene.places[2].signer.key,
        )
    report = scene.look()
    assert list_warnings(report) == ["D34-penalties"]
    assert "with peer-2" in find(report, "D34-penalties").seen


def test_a_unit_whose_password_is_not_there(scene: Scene) -> None:
    scene.world.systemd.mkdir()
    assert list_warnings(scene.look()) == ["D35-systemd"]
    (units,) = scene.world.unit_directories
    units.mkdir()
    secret = scene.directory.parent / "secret"
    (units / "peerage-peer.service").write_text(f"[Service]\nLoadCredential=password:{secret}\n")
    expect(scene, "D35-systemd", "is not there")
    secret.write_text("a password")
    secret.chmod(0o644)
    expect(scene, "D35-systemd", "others than its owner")
    secret.chmod(0o600)
    assert list_faults(scene.look()) == []
    (units / "peerage-peer.service").unlink()
    (units / "peerage-peer.service").symlink_to("gone")
    expect(scene, "D35-systemd", "cannot be read")
