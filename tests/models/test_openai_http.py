"""The bounds of the traffic with a foreign server: each is met, and nothing waits for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from models.errors import ModelError
from models.openai_http import HttpLimits, HttpServer
from models.openai_spec import OpenAISpec
from models.scripted import ScriptedModel
from tests.models.openai_server import Failure, ScriptedEngine, Served, Switches, serve

KEY = "s3cret-key"
LIMITS = HttpLimits(connect_s=5.0, silence_s=5.0, total_s=5.0, backoff_s=0.001, concurrency=3)
THREAD_S = 5.0


class PatientServer(HttpServer):
    """Writes its pauses down instead of waiting."""

    def __init__(self, spec: OpenAISpec, limits: HttpLimits) -> None:
        super().__init__(spec, limits)
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@contextmanager
def talk(
    switches: Switches | None = None, limits: HttpLimits = LIMITS, key: str = ""
) -> Iterator[tuple[PatientServer, Served]]:
    with serve(ScriptedEngine(ScriptedModel()), switches) as served:
        yield PatientServer(OpenAISpec(model="tiny", base_url=served.url, key=key), limits), served


def test_an_answer_comes_back_whole() -> None:
    with talk(key=KEY) as (server, served):
        reply = server.request("/models")
        assert reply.status == 200
        assert b"tiny" in reply.body
        ((_, headers, _),) = served.requests
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["accept-encoding"] == "identity"


def test_failures_in_passing_are_tried_again_with_longer_pauses() -> None:
    with talk(Switches(failures=[Failure(503), Failure(500), Failure(429)])) as (server, served):
        assert server.request("/models").status == 200
        assert server.pauses == [0.001, 0.002, 0.004]
        assert served.count("/v1/models") == 4


def test_attempts_end_and_a_failing_server_is_asked_once_until_it_answers() -> None:
    with talk(Switches(failures=[Failure(503)] * 5)) as (server, served):
        assert server.request("/models").status == 503
        assert served.count("/v1/models") == LIMITS.attempts
        assert server.request("/models").status == 503
        assert served.count("/v1/models") == LIMITS.attempts + 1
        assert server.request("/models").status == 200
        served.switches.failures.append(Failure(503))
        assert server.request("/models").status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 422, 501])
def test_refusals_are_final(status: int) -> None:
    with talk(Switches(failures=[Failure(status)])) as (server, served):
        assert server.request("/models").status == status
        assert served.count("/v1/models") == 1


def test_retry_after_is_honoured_in_seconds_and_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    failures = [Failure(429, {"retry-after": said}) for said in ("7", date, "soon")]
    with talk(Switches(failures=failures)) as (server, _):
        assert server.request("/models").status == 200
        assert server.pauses[0] == 7.0
        assert 20.0 < server.pauses[1] <= 30.0
        assert server.pauses[2] == 0.004


def test_a_server_that_asks_for_too_much_patience_is_given_up() -> None:
    with talk(Switches(failures=[Failure(429, {"retry-after": "3600"})])) as (server, served):
        assert server.request("/models").status == 429
        assert served.count("/v1/models") == 1


def test_a_cut_connection_is_tried_again() -> None:
    with talk(Switches(cuts_after=5)) as (server, served):
        assert server.request("/models").status == 200
        assert served.count("/v1/models") == 2


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        server = PatientServer(OpenAISpec(model="m", base_url=f"http://127.0.0.1:{port}/v1"), LIMITS)
        with pytest.raises(ModelError, match=rf"127\.0\.0\.1:{port}.*cannot be reached.*4 times") as caught:
            server.request("/models")
    assert caught.value.remedy
    assert len(server.pauses) == LIMITS.attempts - 1


@pytest.mark.parametrize("host", ["x" * 80 + ".invalid", "a..b", "xn--a"])
def test_names_that_are_no_hosts_end_in_an_error(host: str) -> None:
    with pytest.raises(ModelError) as caught:
        PatientServer(OpenAISpec(model="m", base_url=f"http://{host}/v1"), LIMITS).request("/models")
    assert caught.value.remedy


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    far = PatientServer(OpenAISpec(model="m", base_url="http://192.0.2.1/v1"), LIMITS)
    with pytest.raises(ModelError, match="the proxy of the environment") as caught:
        far.request("/models")
    assert "NO_PROXY" in caught.value.remedy
    with talk() as (server, _):
        assert server.request("/models").status == 200, "no proxy stands before this machine's own servers"


def test_an_endless_answer_is_cut() -> None:
    limits = HttpLimits(response_bytes=1_000)
    with talk(Switches(body=b"x" * 1_001), limits) as (server, _):
        with pytest.raises(ModelError, match="more than 1000 bytes") as caught:
            server.request("/completions", b"{}")
        assert caught.value.remedy
    with talk(Switches(body=b"x" * 1_000), limits) as (server, _):
        assert len(server.request("/completions", b"{}").body) == 1_000


def test_packed_bodies_are_refused() -> None:
    packed = Switches(headers={"content-encoding": "gzip"})
    with talk(packed) as (server, _), pytest.raises(ModelError, match="compressed"):
        server.request("/models")


def test_a_drip_is_cut_when_the_time_is_over() -> None:
    limits = HttpLimits(silence_s=5.0, total_s=0.1)
    with talk(Switches(body=b"x" * 1_000, is_dripping=True), limits) as (server, served):
        with pytest.raises(ModelError, match=r"not whole after 0\.1 s") as caught:
            server.request("/completions", b"{}")
        assert caught.value.remedy
        assert served.count("/v1/completions") == 1, "the time is over for good"


def test_silence_is_cut() -> None:
    limits = HttpLimits(silence_s=0.05, total_s=5.0)
    silent = Switches(holds=threading.Event())
    with talk(silent, limits) as (server, _), pytest.raises(ModelError, match=r"nothing came for 0\.05 s"):
        server.request("/completions", b"{}")


def test_interrupt_cuts_what_is_under_way() -> None:
    with talk(Switches(holds=threading.Event())) as (server, served):
        caught: list[ModelError] = []

        def run() -> None:
            server.begin()
            try:
                server.run_all([lambda: server.request("/completions", b"{}")] * 5)
            except ModelError as exc:
                caught.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        assert served.arrived.wait(THREAD_S)
        server.interrupt()
        thread.join(THREAD_S)
        assert not thread.is_alive()
        assert [exc.message for exc in caught] == ["the model call was given up"]
        assert served.count("/v1/completions") <= LIMITS.concurrency
        server.begin()
        assert server.request("/models").status == 200


def test_interrupt_ends_a_pause() -> None:
    switches = Switches(failures=[Failure(429, {"retry-after": "60"})])
    with serve(ScriptedEngine(ScriptedModel()), switches) as served:
        server = HttpServer(OpenAISpec(model="m", base_url=served.url), LIMITS)
        caught: list[ModelError] = []

        def run() -> None:
            try:
                server.request("/models")
            except ModelError as exc:
                caught.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        assert served.arrived.wait(THREAD_S)
        server.interrupt()
        thread.join(THREAD_S)
        assert [exc.message for exc in caught] == ["the model call was given up"]


def test_jobs_run_together_up_to_the_limit_and_come_back_in_order() -> None:
    together = threading.Barrier(LIMITS.concurrency)
    with talk() as (server, _):

        def meet(number: int) -> int:
            together.wait(THREAD_S)
            return number

        count = 2 * LIMITS.concurrency
        assert server.run_all([partial(meet, number) for number in range(count)]) == list(range(count))
        assert server.run_all([]) == []


def test_the_first_failure_ends_its_neighbours() -> None:
    with talk(Switches(holds=threading.Event())) as (server, _):

        def fail() -> None:
            raise ModelError("no", remedy="try another")

        def wait() -> None:
            server.request("/completions", b"{}")

        with pytest.raises(ModelError, match="no"):
            server.run_all([wait, fail, wait, wait])


def test_the_key_shows_in_no_error() -> None:
    with talk(Switches(key="another"), key=KEY) as (server, _):
        reply = server.request("/models")
        assert KEY.encode() in reply.body, "the server repeats it"
        said = server.describe_refusal(reply)
        assert said.startswith("HTTP 401")
        assert KEY not in said
        assert "[key]" in said


def test_a_refusal_is_one_bounded_line() -> None:
    with talk(Switches(body=b"\x1b[2J\r\nx\xff" + b"y" * 10_000)) as (server, _):
        said = server.describe_refusal(server.request("/completions", b"{}"))
        assert len(said) < 400
        assert said.isprintable()
