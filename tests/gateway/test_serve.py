"""`peerage serve` and `peerage keys` from the command line: start, end, and what is refused."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from consensus.verify import verify_receipt
from tests.cli.console import run
from tests.gateway.kit import KEY, MESSAGES, QUESTION, get_progress, get_provenance, poll
from tests.gateway.processes import STOP_S, get_env, serve

SCRIPTED = ("--local", "4", "--model", "scripted")
ENDLESS = ("--local", "4", "--model", "scripted:latency=60")


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of this test's own for commands in this process."""
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PEERAGE_API_KEY", raising=False)
    return tmp_path


@pytest.mark.slow
def test_a_server_is_asked_with_the_token_it_made_and_ends_when_told(tmp_path: Path) -> None:
    with serve(tmp_path, *SCRIPTED) as served:
        assert served.base_url.startswith("http://127.0.0.1:")
        assert (tmp_path / "gateway" / "token").read_text().strip() == served.api_key
        with openai.OpenAI(base_url=served.base_url, api_key=served.api_key, max_retries=0) as client:
            assert client.chat.completions.create(model="swarm", messages=MESSAGES).choices
        assert served.stop() == 0
    words = (tmp_path / "stderr").read_text()
    assert "stopping" in words
    assert served.api_key not in words  # with --json the key is said once, on stdout
    assert list((tmp_path / "peers").iterdir()) == []  # databases are gone with their keys
    assert len(list((tmp_path / "receipts").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_does_not_wait_long_for_what_is_under_way(tmp_path: Path, how: signal.Signals) -> None:
    with serve(tmp_path, *ENDLESS, PEERAGE_API_KEY=KEY) as served:
        assert KEY not in (tmp_path / "stderr").read_text()  # it is not this program's to repeat
        client = served.open_raw()
        client.post(stream=True)
        client.read_until(b"round.asked")
        assert served.stop(how) == 0
        assert b'"code":"server_shutdown"' in client.read_all()
        client.leave()


@pytest.mark.slow
def test_a_second_signal_does_not_wait_at_all(tmp_path: Path) -> None:
    with serve(tmp_path, *ENDLESS, PEERAGE_API_KEY=KEY) as served:
        client = served.open_raw()
        client.post(stream=True)
        client.read_until(b"round.asked")
        served.process.send_signal(signal.SIGINT)
        assert poll(lambda: b"stopping" in (tmp_path / "stderr").read_bytes())
        assert served.process.poll() is None  # it still goes on
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(STOP_S) == 130
        client.leave()


@pytest.mark.slow
def test_a_killed_server_has_lost_no_answer_that_it_gave(tmp_path: Path) -> None:
    with serve(tmp_path, *SCRIPTED, PEERAGE_API_KEY=KEY) as served:
        with openai.OpenAI(base_url=served.base_url, api_key=KEY, max_retries=0) as client:
            first = client.chat.completions.create(
                model="swarm", messages=MESSAGES, extra_body={"swarm": {"provenance": True}}
            )
        served.process.kill()
        served.process.wait(STOP_S)
    round_id = get_provenance(first).round_id
    with (
        serve(tmp_path, *SCRIPTED, PEERAGE_API_KEY=KEY) as served,
        openai.OpenAI(base_url=served.base_url, api_key=KEY, max_retries=0) as client,
    ):
        receipt = client.get(f"/rounds/{round_id}/receipt", cast_to=bytes)
    verdict = verify_receipt(receipt)
    assert verdict.round is not None
    assert verdict.round.facts.round_id.hex() == round_id


@pytest.mark.slow
def test_the_llm_command_asks_it(tmp_path: Path) -> None:
    with serve(tmp_path, *SCRIPTED) as served:
        for more in ((), ("--no-stream",), ("-s", "Be brief.", "-o", "seed", "7", "-o", "temperature", "0")):
            command = ["llm", "openai", "endpoint", served.base_url, QUESTION, "-m", "swarm"]
            done = subprocess.run(
                [str(Path(sys.executable).with_name("llm")), *command[1:], "--key", served.api_key, *more],
                capture_output=True,
                env=get_env(tmp_path, LLM_USER_PATH=str(tmp_path / "llm")),
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr.decode()
            assert done.stdout.strip().isdigit()
        listed = subprocess.run(
            [
                str(Path(sys.executable).with_name("llm")),
                *("openai", "endpoint", served.base_url, "--models", "--key", served.api_key),
            ],
            capture_output=True,
            env=get_env(tmp_path, LLM_USER_PATH=str(tmp_path / "llm")),
            timeout=60,
            check=True,
        )
        assert listed.stdout.decode().split() == ["swarm", "swarm-fast", "helper"]


@pytest.mark.slow
def test_the_embedded_model_streams_an_answer_with_its_provenance(tmp_path: Path) -> None:
    with serve(tmp_path, "--local", "5", "--model", "embedded") as served:
        with openai.OpenAI(base_url=served.base_url, api_key=served.api_key, max_retries=0) as client:
            stream = client.chat.completions.create(
                model="swarm",
                messages=[
                    {"role": "system", "content": "Answer in one word."},
                    {"role": "user", "content": "What is the capital of France?"},
                ],
                max_tokens=12,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"swarm": {"provenance": True, "progress": "events"}},
            )
            chunks = list(stream)
            helped = client.chat.completions.create(
                model="helper", messages=[{"role": "user", "content": "Name a colour."}], max_tokens=8
            )
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text.strip()
        assert (0, "closed") in [(event.step, event.phase) for event in get_progress(chunks)]
        last = chunks[-1]
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.prompt_tokens > 5 * 20  # five peers, each with examples of its own
        swarm = get_provenance(last)
        assert swarm.ranking[0].text in text
        assert (swarm.seats, swarm.quorum) == (5, 4)
        assert helped.choices[0].message.content
        assert served.stop() == 0


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--local", "3"), "got 3 peers, expected 4 to 31"),
        (("--model", "nonsense"), "no model is called"),
        (("--host", "0.0.0.0"), "no key was chosen"),
        (("--api-key", "short"), "expected 16 to 256"),
        (("--host", "no.such.host.invalid", "--api-key", KEY), "cannot listen on"),
        (("--judge", "dice"), "--judge"),
        (("--temperature", "nan"), "--temperature"),
        (("--allow-origin", "https://x/"), "got 'https://x/', expected scheme://host"),
        (("--allow-host", "x:80"), "got 'x:80', expected a name"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_remedy(
    own_data: Path, args: tuple[str, ...], words: str
) -> None:
    model = () if "--model" in args else ("--model", "scripted")
    ran = run("serve", "--port", "0", *model, *args)
    assert (ran.code, ran.out) == (3, ""), ran.err
    assert words in ran.err


def test_a_port_that_is_taken_is_refused(own_data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = run("serve", *SCRIPTED, "--port", port)
    assert (ran.code, ran.out) == (3, "")
    assert f"port {port}" in ran.err
    assert "choose another --port" in ran.err


@pytest.mark.parametrize("args", [("--port", "70000"), ("--max-concurrent", "0"), ("--what",), ("extra",)])
def test_wrong_words_are_usage_errors(args: tuple[str, ...]) -> None:
    assert run("serve", *args).code == 2


# -- keys ------------------------------------------------------------------------------------------


def test_keys_are_made_listed_and_revoked(own_data: Path) -> None:
    made = run("keys", "create", "alice", "--requests-per-minute", "3", "--tokens", "900")
    assert made.code == 0
    secret = made.out.strip()
    assert secret.startswith("pk_")
    assert secret not in made.err
    again = run("keys", "create", "alice")
    assert (again.code, again.out) == (3, "")
    assert "named 'alice'" in again.err
    listed = run("keys", "list").out
    assert "alice" in listed
    assert "3 questions a minute, 900 tokens in all" in listed
    assert secret not in listed
    assert run("keys", "revoke", "alice").code == 0
    (key,) = json.loads(run("keys", "list", "--json").out)["keys"]
    assert key == {
        "name": "alice",
        "id": secret.split("_")[1],
        "created": key["created"],
        "is_revoked": True,
        "requests_per_minute": 3,
        "tokens_per_day": None,
        "tokens": 900,
    }
    assert "already" in run("keys", "revoke", "alice").err
    assert run("keys", "revoke", "bob").code == 3


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "-x"])
def test_a_name_that_is_none_is_refused(own_data: Path, name: str) -> None:
    ran = run("keys", "create", "--", name)
    assert (ran.code, ran.out) == (3, "")
