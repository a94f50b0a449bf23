"""Help, version, completion, and what they may not load."""

import json
import resource
import subprocess
import sys

import pytest

from tests.cli.console import run, run_process

COMMANDS = (
    (),
    ("ask",),
    ("completion",),
    ("config",),
    ("config", "show"),
    ("demo",),
    ("explain",),
    ("history",),
    ("keys",),
    *(("keys", name) for name in ("create", "backup", "verify-backup", "restore", "rotate")),
    ("logs",),
    ("models",),
    ("models", "info"),
    ("models", "list"),
    ("models", "pull"),
    ("peer",),
    ("peer", "init"),
    ("receipt",),
    ("receipt", "show"),
    ("rank",),
    ("serve",),
    ("testnet",),
    ("testnet", "adversaries"),
    ("testnet", "check"),
    ("testnet", "fuzz"),
    ("testnet", "list"),
    ("testnet", "new"),
    ("testnet", "replay"),
    ("testnet", "report"),
    ("testnet", "run"),
    ("testnet", "schema"),
    ("testnet", "shrink"),
    ("testnet", "up"),
    ("testnet", "votes"),
    ("top",),
    ("verify",),
)
HEAVY = (
    *("torch", "transformers", "trio", "numpy", "networkx", "aiosqlite", "gguf", "accelerate"),
    *("starlette", "hypercorn", "anyio", "prometheus_client", "openai", "textual"),
)
HELP_CPU_S_MAX = 0.2
TRIES = 3
LOADED = f"""
import contextlib, io, json, sys
from swarm.cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    code = main(json.loads(sys.argv[1]))
print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def get_loaded(*args: str) -> list[int | list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(args)], capture_output=True, check=True, timeout=60
    )
    value = json.loads(done.stdout)
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "peerage")
def test_every_command_has_help_with_exit_0(command: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        ran = run(*command, flag)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("Usage: peerage")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "peerage")
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    assert get_loaded(*command, "--help") == [0, []]


def test_a_receipt_is_verified_without_model_network_or_arrays() -> None:
    assert get_loaded("verify", "/nonexistent") == [3, []]


def test_asking_does_not_load_the_gateway() -> None:
    code = (
        "import swarm.cli.ask, swarm.cli.delivery, swarm.cli.lines, sys;"
        "print([name for name in ('starlette', 'hypercorn', 'swarm.gateway') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"[]\n"


def test_help_takes_at_most_200_ms_of_a_core() -> None:
    took = []
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_process("ask", "--help").code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= HELP_CPU_S_MAX, took


def test_the_exit_codes_are_in_the_help() -> None:
    text = " ".join(run("--help").out.split())
    for code in ("0 full", "2 usage", "3 configuration", "4 network", "5 verification", "6 failed"):
        assert code in text


def test_without_a_command_the_help_is_shown_as_a_usage_error() -> None:
    ran = run()
    assert ran.code == 2
    assert "Commands:" in ran.err + ran.out


def test_version() -> None:
    ran = run_process("--version")
    assert (ran.code, ran.out, ran.err) == (0, "peerage 0.1.0\n", "")


@pytest.mark.parametrize(
    "args", [("frobnicate",), ("models", "lst"), ("ask", "x", "--pers", "4"), ("ask", "x", "y")]
)
def test_unknown_words_are_usage_errors(args: tuple[str, ...]) -> None:
    ran = run(*args)
    assert (ran.code, ran.out) == (2, "")
    assert "Error:" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    ran = run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_PEERAGE_COMPLETE={shell}_complete" in ran.out


def test_completion_offers_the_commands() -> None:
    ran = run_process(
        env={"_PEERAGE_COMPLETE": "bash_complete", "COMP_WORDS": "peerage ve", "COMP_CWORD": "1"}
    )
    assert (ran.code, ran.out) == (0, "plain,verify\n")


def test_no_completion_for_an_unknown_shell() -> None:
    assert run("completion", "tcsh").code == 2


def test_bash_accepts_its_script() -> None:
    done = subprocess.run(
        ["bash", "-n"], input=run("completion", "bash").out.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
