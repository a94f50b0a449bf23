"""`peerage peer init`: the same peer by flags and by wizard, no secret anywhere, nothing half-made."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swarm.cli.peer_settings import SETTINGS
from swarm.edge.keystore import open_key, read_key_file
from swarm.edge.peer_config import PeerConfig, read_peer_config
from tests.cli.console import Ran, run, run_process
from tests.terminal import Terminal, open_terminal

PASSWORD = "correct horse battery staple"
FLAGS = {
    "label": "alice",
    "model": "scripted:accuracy=0.7",
    "judge": "letters",
    "listen": "0.0.0.0:4242",
    "advertise": "wss://a.example:4242",
    "memory_mb": "2048",
    "threads": "2",
    "rounds_per_hour": "30",
    "store_mb": "512",
    "metrics": "none",
}
CONFIG = PeerConfig(
    label="alice",
    model="scripted:accuracy=0.7",
    judge="letters",
    listen="0.0.0.0:4242",
    advertise=("wss://a.example:4242",),
    memory_mb=2_048,
    threads=2,
    rounds_per_hour=30,
    store_mb=512,
    metrics="",
)


@pytest.fixture(autouse=True)
def _any_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' directories may be in memory or in a container's layer."""
    monkeypatch.setenv("PEERAGE_PEER_INIT_ALLOW_VOLATILE", "1")


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(PASSWORD + "\n")
    return path


def init(directory: Path, *args: str) -> Ran:
    return run("peer", "init", "--dir", str(directory), *args)


@contextmanager
def open_wizard(directory: Path, *args: str) -> Iterator[Terminal]:
    with open_terminal("-m", "swarm.cli.main", "peer", "init", "--dir", str(directory), *args) as terminal:
        yield terminal


def answer(terminal: Terminal, *answers: str) -> None:
    """Answer one question after the other."""
    for text in answers:
        terminal.expect("]: ")
        terminal.type(f"{text}\n")


def type_password(terminal: Terminal) -> None:
    for prompt in ("A password for its key: ", "Repeat for confirmation: "):
        terminal.expect(prompt)
        terminal.type(f"{PASSWORD}\n")


def test_flags_make_a_peer_and_say_what_comes_next(tmp_path: Path, password_file: Path) -> None:
    flags = [part for s in SETTINGS for part in (s.flag, FLAGS[s.name])]
    ran = init(tmp_path / "peer", "--no-input", "--password-file", str(password_file), *flags)
    assert ran.code == 0, ran.err
    assert read_peer_config(tmp_path / "peer") == CONFIG
    key = open_key(read_key_file(tmp_path / "peer" / "key.json"), PASSWORD.encode()).key.hex()
    assert ran.out.splitlines() == [f"public key  {key}", f"member      alice={key}"]
    assert f"peerage net create NAME --member alice={key}" in ran.err
    assert f"peerage keys backup --dir {tmp_path / 'peer'}" in ran.err


def test_defaults_are_those_of_the_settings(tmp_path: Path, password_file: Path) -> None:
    ran = init(tmp_path / "peer", "--password-file", str(password_file), "--json")
    said = ran.json
    assert said["schema"] == "peerage.peer.init/1"
    assert said["member"] == f"{said['label']}={said['key']}"
    assert said["label"] == f"peer-{str(said['key'])[:8]}"
    assert read_peer_config(tmp_path / "peer") == PeerConfig(label=str(said["label"]))


def test_the_usual_directory_is_below_the_data_directory(tmp_path: Path, password_file: Path) -> None:
    assert run("peer", "init", "--password-file", str(password_file)).code == 0
    assert (tmp_path / "data" / "peer" / "key.json").is_file()


def test_the_wizard_asks_for_what_no_flag_says(tmp_path: Path) -> None:
    with open_wizard(tmp_path / "peer", "--model", FLAGS["model"]) as terminal:
        answer(terminal, "alice", "jury", "letters", "nowhere", "0.0.0.0:4242", FLAGS["advertise"])
        answer(terminal, "3", "many", "2048", "2", "30", "512", "none")
        type_password(terminal)
        assert terminal.finish() == 0
    assert read_peer_config(tmp_path / "peer") == CONFIG
    assert open_key(read_key_file(tmp_path / "peer" / "key.json"), PASSWORD.encode())
    assert "Which model" not in terminal.text
    for words in ("no judge is called 'jury'", "got 'nowhere', expected HOST:PORT", "at least 256", "'many'"):
        assert words in terminal.text
    assert PASSWORD not in terminal.text


def test_the_wizard_s_defaults_are_those_of_the_flags(tmp_path: Path) -> None:
    with open_wizard(tmp_path / "peer") as terminal:
        answer(terminal, *[""] * len(SETTINGS))
        type_password(terminal)
        assert terminal.finish() == 0
    config = read_peer_config(tmp_path / "peer")
    assert config == PeerConfig(label=config.label)


@pytest.mark.parametrize("answers", [0, 4, len(SETTINGS)])
def test_ctrl_c_leaves_nothing(tmp_path: Path, answers: int) -> None:
    with open_wizard(tmp_path / "peer") as terminal:
        answer(terminal, *[""] * answers)
        terminal.expect(": ")
        assert terminal.interrupt() == 130
    assert list(tmp_path.glob("peer*")) == []


def test_no_input_asks_nothing_on_a_terminal_either(tmp_path: Path) -> None:
    with open_wizard(tmp_path / "peer", "--no-input") as terminal:
        assert terminal.finish() == 3
    assert "--password-file" in terminal.text
    assert "]: " not in terminal.text
    assert not (tmp_path / "peer").exists()


def test_without_a_terminal_the_password_file_is_named(tmp_path: Path) -> None:
    ran = init(tmp_path / "peer")
    assert (ran.code, ran.out) == (3, "")
    assert "--password-file" in ran.err
    assert not (tmp_path / "peer").exists()


def test_a_key_is_never_made_over(tmp_path: Path, password_file: Path) -> None:
    (tmp_path / "key.json").write_text("mine")
    ran = init(tmp_path, "--password-file", str(password_file))
    assert (ran.code, ran.out) == (3, "")
    assert "there is a key in" in ran.err
    assert (tmp_path / "key.json").read_text() == "mine"
    assert not (tmp_path / "peer.toml").exists()


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--label", "a=b", "label is 'a=b', expected none with ="),
        ("--label", "", "label is ''"),
        ("--label", "x" * 65, "1 to 64 printable bytes"),
        ("--label", "red\x1b[31m", "printable"),
        ("--model", "embeded", "did you mean 'embedded'?"),
        ("--model", "hf:nobody", "hf:OWNER/NAME"),
        ("--model", "scripted:wit=9", "scripted"),
        ("--judge", "jury", "no judge is called 'jury'"),
        ("--listen", "4242", "expected HOST:PORT"),
        ("--advertise", "http://a:1", "expected wss://HOST:PORT"),
        ("--memory-mb", "12", "try: mend --memory-mb"),
        ("--memory-mb", "-1", "expected a whole number"),
        ("--threads", "two", "threads is 'two'"),
        ("--rounds-per-hour", "1e3", "rounds_per_hour is '1e3'"),
        ("--metrics", "metrics", "expected HOST:PORT"),
    ],
)
def test_flags_that_cannot_be(tmp_path: Path, password_file: Path, flag: str, value: str, words: str) -> None:
    ran = init(tmp_path / "peer", "--password-file", str(password_file), flag, value)
    assert (ran.code, ran.out) == (3, "")
    assert words in ran.err
    assert not (tmp_path / "peer").exists()


def test_a_model_s_directory_is_kept_whole(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path / "peer", "--password-file", str(password_file), "--model", "model").code == 0
    assert read_peer_config(tmp_path / "peer").model == str(tmp_path / "model")


def test_a_place_in_memory_is_refused(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEERAGE_PEER_INIT_ALLOW_VOLATILE")
    ran = init(Path("/dev/shm/peerage-no-such"), "--password-file", str(password_file))
    assert (ran.code, ran.out) == (3, "")
    assert "in memory" in ran.err
    assert "-v peerage:/data" in ran.err
    assert not Path("/dev/shm/peerage-no-such").exists()


def test_without_a_keyring_nothing_is_made(tmp_path: Path, password_file: Path) -> None:
    env = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    flags = ["--dir", str(tmp_path / "peer"), "--password-file", str(password_file), "--keyring"]
    ran = run_process("peer", "init", *flags, env=env)
    assert (ran.code, ran.out) == (3, "")
    assert "no keyring" in ran.err
    assert not (tmp_path / "peer").exists()


def test_a_password_that_is_no_good_makes_nothing(tmp_path: Path, password_file: Path) -> None:
    for text, mode, words in (
        ("short", 0o600, "less than 8"),
        (PASSWORD, 0o644, "0644"),
        ("", 0o600, "empty"),
    ):
        password_file.write_text(text)
        password_file.chmod(mode)
        ran = init(tmp_path / "peer", "--password-file", str(password_file))
        assert (ran.code, ran.out) == (3, "")
        assert words in ran.err
        assert not (tmp_path / "peer").exists()


def test_there_is_no_variable_for_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PASSWORD", "PEER_PASSWORD", "PEER_INIT_PASSWORD", "KEY_PASSWORD"):
        monkeypatch.setenv(f"PEERAGE_{name}", PASSWORD)
    assert init(tmp_path / "peer").code == 3
    assert init(tmp_path / "peer", "--password", PASSWORD).code == 2


def test_no_secret_is_in_what_is_said_or_in_the_process_list(tmp_path: Path, password_file: Path) -> None:
    """Ask the system for arguments and environment, as any user of the machine can for the first."""
    command = [
        sys.executable,
        "-m",
        "swarm.cli.main",
        "--verbose",
        "peer",
        "init",
        "--dir",
        str(tmp_path / "peer"),
    ]
    process = subprocess.Popen(
        [*command, "--password-file", str(password_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.send_signal(signal.SIGSTOP)
    shown = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    files = b"".join(path.read_bytes() for path in (tmp_path / "peer").iterdir())
    pair = open_key(read_key_file(tmp_path / "peer" / "key.json"), PASSWORD.encode())
    seed = pair._seed  # the secret itself, which nothing else gives away
    assert shown
    for secret in (PASSWORD.encode(), seed, seed.hex().encode()):
        for text in (shown, out, err, files):
            assert secret not in text


def test_an_unwritable_place_is_an_error(password_file: Path) -> None:
    ran = init(Path("/proc/nothing/peer"), "--password-file", str(password_file))
    assert (ran.code, ran.out) == (3, "")
    assert "cannot write" in ran.err


def test_the_group_is_small_and_lazy() -> None:
    code = (
        "import sys, swarm.cli.peer; print([n for n in sys.modules if n.startswith(('swarm.edge', 'nacl'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=os.environ)
    assert json.loads(done.stdout) == []
