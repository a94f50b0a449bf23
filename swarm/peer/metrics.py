"""A peer's metrics and health, over HTTP on loopback: docs/deployment.md names them.

No label carries a text, a key or an address.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from swarm.peer.vitals import PeerState, Vitals, get_disk_free, get_memory_mb

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
UNAVAILABLE: Final = 503


class PeerCollector(Collector):
    """Reads a peer's figures when they are asked for.

    Args:
        vitals: The peer.
    """

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        vitals, tally = self._vitals, self._vitals.tally
        gauges: tuple[tuple[str, str, float], ...] = (
            ("peerage_peer_up", "Whether the peer takes links", vitals.is_up),
            ("peerage_peer_links", "Members it is linked with", len(vitals.get_links())),
            ("peerage_peer_rounds_open", "Rounds it has a seat in now", vitals.count_open()),
            ("peerage_peer_problems", "What is wrong with its files", len(vitals.get_problems())),
            ("peerage_peer_halted", "Whether it says nothing more", bool(tally.halted)),
            ("peerage_peer_paused", "Whether it takes no further rounds", bool(vitals.pause_reason)),
            ("peerage_peer_started_seconds", "Since when it runs", vitals.started_ms / 1_000),
            ("peerage_peer_memory_bytes", "Resident memory", get_memory_mb() * 2**20),
            (
                "peerage_peer_clock_behind_seconds",
                "At least so far its clock is behind a member's",
                vitals.get_clock_behind_s(),
            ),
            ("peerage_peer_store_bytes", "What its database holds", vitals.store_bytes),
            ("peerage_peer_disk_free_bytes", "Free where its data lie", get_disk_free(vitals.directory)),
        )
        for name, about, value in gauges:
            yield GaugeMetricFamily(name, about, value=float(value))
        rounds = CounterMetricFamily(
            "peerage_peer_rounds", "Rounds that ended, by status", labels=("status",)
        )
        for status, count in tally.get_rounds().items():
            rounds.add_metric([status], count)
        yield rounds
        yield CounterMetricFamily("peerage_peer_declined", "Rounds not taken", value=tally.declined)
        yield CounterMetricFamily(
            "peerage_peer_penalties", "Messages that broke a rule", value=tally.penalties
        )


def make_health_app(vitals: Vitals) -> Starlette:
    """Return the application behind `metrics`: /metrics, /healthz (it lives), /readyz (it takes rounds)."""
    registry = CollectorRegistry()
    registry.register(PeerCollector(vitals))

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE)

    def answer(is_good: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(_: Request) -> Response:
            state = vitals.get_state().value
            return JSONResponse({"state": state}, status_code=200 if is_good() else UNAVAILABLE)

        return respond

    def is_alive() -> bool:
        return vitals.get_state() not in (PeerState.HALTED, PeerState.STOPPING)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", answer(is_alive)),
            Route("/readyz", answer(vitals.is_ready)),
        ]
    )
