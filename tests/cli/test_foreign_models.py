"""Models behind servers and of the hub, from the command line: described, asked, and refused in time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.scripted import ScriptedModel
from tests.cli.console import run, run_process
from tests.models.fake_hub import Repo, run_fake_hub
from tests.models.openai_server import ScriptedEngine, Served, Switches, serve

QUESTION = "What is 7 times 12?"
KEY = "s3cret-key"


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    # Mostly right, so that there is something to rank.
    with serve(ScriptedEngine(ScriptedModel(accuracy=0.6, judge_accuracy=0.9)), Switches()) as served:
        yield served


def test_info_says_what_a_server_supports(served: Served) -> None:
    served.switches.constraints = ("structured_outputs",)
    name = f"openai:tiny@{served.url}"
    said = run("models", "info", name, "--json").json
    assert (said["replayable_sampling"], said["prompt_logprobs"], said["choices"]) == (False, True, True)
    assert said["digest_is_declared"] is True
    assert said["details"] == {
        "endpoint": "/completions",
        "sampling": "the server's own",
        "choices_by": "first-token log-probabilities, prompt log-probabilities, constrained answers "
        "(structured_outputs)",
        "context": "assumed, the server does not say",
    }
    ran = run("models", "info", name)
    assert ran.code == 0
    rows = dict(line.split(None, 1) for line in ran.out.splitlines())
    assert (rows["replayable_sampling"], rows["prompt_logprobs"], rows["choices"]) == ("no", "yes", "yes")
    assert run("models", "pull", name).out == f"{name} is ready\n"


def test_a_question_is_answered_by_a_server(served: Served) -> None:
    ran = run("ask", QUESTION, "--model", f"openai:tiny@{served.url}", "--seed", "b", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["status"] == "full"
    assert served.count("/v1/completions") > 10


def test_a_server_that_lets_nobody_judge_is_refused_before_the_question(served: Served) -> None:
    served.switches.has_logprobs = False
    ran = run("ask", QUESTION, "--model", f"openai:tiny@{served.url}")
    assert (ran.code, ran.out) == (3, "")
    assert "log-probabilities" in ran.err
    assert served.count("/v1/completions") < 20, "nobody answered"


def test_a_server_without_prompt_log_probabilities_judges_by_letters(served: Served) -> None:
    served.switches.has_echo = False
    ran = run("ask", QUESTION, "--model", f"openai:tiny@{served.url}", "--seed", "b", "--json")
    assert ran.code == 0, ran.err
    refused = run(
        "ask", QUESTION, "--model", f"openai:tiny@{served.url}", "--judge", "likelihood", "--seed", "b"
    )
    assert (refused.code, refused.out) == (3, "")
    assert "--judge letters" in refused.err


def test_a_key_shows_nowhere(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served.switches.key = KEY
    monkeypatch.setenv("PEERAGE_OPENAI_API_KEY", KEY)
    name = f"openai:tiny@{served.url}"
    said = run("models", "info", name, "--json")
    asked = run("ask", QUESTION, "--model", name, "--seed", "b")
    assert (said.code, asked.code) == (0, 0), asked.err
    monkeypatch.setenv("PEERAGE_OPENAI_API_KEY", f"{KEY}-wrong")
    refused = run("--verbose", "models", "info", name)
    assert refused.code == 3
    assert "PEERAGE_OPENAI_API_KEY" in refused.err
    for ran in (said, asked, refused):
        assert KEY not in ran.out + ran.err
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(KEY.encode() in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    "name", ["x" * 300, "openai:" + "x" * 300, "hf:" + "x" * 300, "openai:m@http://a:b@c"]
)
def test_long_and_odd_names_are_refused(name: str) -> None:
    for arguments in (("models", "info", name), ("ask", QUESTION, "--model", name)):
        for more in ((), ("--processes",)) if arguments[0] == "ask" else ((),):
            ran = run(*arguments, *more)
            assert (ran.code, ran.out) == (3, "")
            assert "Traceback" not in ran.err
            assert "a:b" not in ran.err


@pytest.mark.slow
def test_peers_in_processes_of_their_own_ask_the_server(served: Served) -> None:
    ran = run(
        "ask", QUESTION, "--model", f"openai:tiny@{served.url}", "--peers", "4", "--processes", "--json"
    )
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_a_model_of_the_hub_is_described_pulled_and_listed(tmp_path: Path) -> None:
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": bytes(1_000)}
    with run_fake_hub() as hub:
        hub.repos["somebody/tiny"] = Repo(files)
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "PEERAGE_CACHE_DIR": str(tmp_path)}
        name = "hf:somebody/tiny"
        before = run_process("models", "info", name, "--json", env=env).json
        assert (before["ready"], before["download_bytes"], before["licence"]) == (False, 1_004, "apache-2.0")
        pulled = run_process("models", "pull", name, env=env)
        assert pulled.out == f"{name} is ready\n"
        assert "published by somebody" in pulled.err
    offline = {**env, "HF_HUB_OFFLINE": "1"}
    after = run_process("models", "info", name, "--json", env=offline).json
    assert after["ready"] is True
    assert after["details"] == {"publisher": "somebody", "commit": hub.repos["somebody/tiny"].commit}
    listed = run_process("models", "list", env=offline)
    assert name in listed.out
