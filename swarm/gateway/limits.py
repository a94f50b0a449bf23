"""Every bound of the gateway, each with a name and a unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """Bounds of one server.

    Args:
        body_bytes_max: Longest request body, bytes; a question may have 65,536.
        head_bytes_max: Longest request line and headers together, bytes.
        head_s_max: From an open or idle connection to a whole head, seconds.
        body_s_max: From the head to a whole body, seconds.
        send_s_max: A piece that a client does not take within this time ends its connection, seconds.
        connections_max: Connections open at once; more are closed as they come.
        rounds_at_once: Questions under way at once.
        waiting_max: Questions that wait for one of these to end; more are refused, but for the first of a
            key that has none yet.
        helpers_at_once: Requests to a single peer under way at once, and answers that the model gives to them
            at once; deadlines of rounds leave time for these.
        heartbeat_s: Longest silence of a stream, seconds.
        progress_events_max: Progress that a slow client has not taken yet; more is dropped.
        rounds_listed_max: Rounds on a page.
        shutdown_s: What is under way when the server is told to stop may take so long, seconds.
    """

    body_bytes_max: int = 1_048_576
    head_bytes_max: int = 32_768
    head_s_max: float = 10.0
    body_s_max: float = 30.0
    send_s_max: float = 20.0
    connections_max: int = 256
    rounds_at_once: int = 2
    waiting_max: int = 16
    helpers_at_once: int = 8
    heartbeat_s: float = 5.0
    progress_events_max: int = 256
    rounds_listed_max: int = 100
    shutdown_s: float = 5.0
