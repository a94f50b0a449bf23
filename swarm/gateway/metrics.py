"""What the gateway counts, for Prometheus. No label carries a text, a key or an address."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ROUND_SECONDS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900)


class Metrics:
    """Counters of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "peerage_http_requests",
            "Requests by route and status",
            ("route", "status"),
            registry=self._registry,
        )
        self.rounds = Counter(
            "peerage_rounds",
            "Rounds by model and how they ended",
            ("model", "status"),
            registry=self._registry,
        )
        self.round_seconds = Histogram(
            "peerage_round_seconds", "From asking to a verified receipt", ("model",),
            buckets=ROUND_SECONDS, registry=self._registry,
        )  # fmt: skip
        self.tokens = Counter(
            "peerage_tokens", "Tokens of prompts and answers", ("model", "kind"), registry=self._registry
        )

    def watch(self, name: str, about: str, get: Callable[[], float]) -> None:
        """Show a value that is read whenever metrics are."""
        Gauge(name, about, registry=self._registry).set_function(get)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
