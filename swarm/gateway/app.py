"""All routes put together, and every error in OpenAI's form."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from consensus.errors import StoreError
from swarm.gateway.bodies import JSON
from swarm.gateway.chat import ChatEndpoint
from swarm.gateway.errors import ApiError, ErrorKind, unavailable
from swarm.gateway.events import EventsEndpoint
from swarm.gateway.guard import PUBLIC_PATHS, Door, Guard, find_caller
from swarm.gateway.keys import KeyStore
from swarm.gateway.lookups import Endpoint, Lookups
from swarm.gateway.openapi import make_openapi
from swarm.gateway.page_files import read_page, send_page_file
from swarm.gateway.quotas import Quotas
from swarm.gateway.service import Gateway
from swarm.gateway.sessions import Sessions
from swarm.gateway.signing_in import SessionEndpoint


def make_app(gateway: Gateway, *, door: Door, keys: KeyStore, quotas: Quotas, sessions: Sessions) -> ASGIApp:
    """Return the gateway as an ASGI application.

    Args:
        gateway: The swarm.
        door: Who may come in.
        keys: Named keys.
        quotas: What these may use.
        sessions: Browsers that were let in.
    """
    lookups = Lookups(gateway, make_openapi(gateway.limits), quotas)
    gets = {
        "/v1/models": lookups.list_models,
        "/v1/models/{model}": lookups.get_model,
        "/v1/rounds": lookups.list_rounds,
        "/v1/rounds/{round_id}": lookups.get_round,
        "/v1/rounds/{round_id}/receipt": lookups.get_receipt,
        "/healthz": lookups.get_health,
        "/readyz": lookups.get_readiness,
        "/metrics": lookups.get_metrics,
        "/openapi.json": lookups.get_openapi,
    }
    routes = [Route(path, Endpoint(path, handler), methods=["GET"]) for path, handler in gets.items()]
    routes.append(Route(ChatEndpoint.route_name, ChatEndpoint(gateway, quotas), methods=["POST"]))
    routes.append(Route(EventsEndpoint.route_name, EventsEndpoint(gateway), methods=["GET"]))

    async def is_key(secret: str) -> bool:
        return await find_caller(secret, door, keys) is not None

    signing_in = SessionEndpoint(sessions, gateway.limits, is_key)
    routes.append(Route(SessionEndpoint.route_name, signing_in, methods=["POST", "DELETE"]))
    page = Endpoint("/page", send_page_file)
    routes += [Route(path, page, methods=["GET"]) for path in read_page()]
    app = Starlette(
        routes=routes,
        exception_handlers={
            ApiError: on_api_error,
            HTTPException: on_http_error,
            StoreError: on_store_error,
            Exception: on_bug,
        },
    )
    app.router.redirect_slashes = False
    public = PUBLIC_PATHS | {SessionEndpoint.route_name} | read_page().keys()
    return Guard(
        app,
        door=door,
        keys=keys,
        sessions=sessions,
        public=public,
        limits=gateway.limits,
        metrics=gateway.metrics,
    )


async def on_api_error(_: Request, exc: Exception) -> Response:
    """Answer with an error that was raised on purpose."""
    assert isinstance(exc, ApiError), "registered for it"
    return make_error_response(exc)


async def on_http_error(request: Request, exc: Exception) -> Response:
    """Answer what the router refuses: unknown paths, other methods."""
    assert isinstance(exc, HTTPException), "registered for it"
    kind = ErrorKind.NOT_FOUND if exc.status_code == 404 else ErrorKind.INVALID_REQUEST
    message = (
        f"there is nothing at {request.url.path[:80]!r}"
        if exc.status_code == 404
        else f"{request.method} is not for {request.url.path[:80]!r}"
    )
    code = {404: "unknown_path", 405: "method_not_allowed"}.get(exc.status_code)
    headers = dict(exc.headers or {})
    return make_error_response(ApiError(exc.status_code, kind, message, code=code, headers=headers))


async def on_store_error(_: Request, __: Exception) -> Response:
    """Answer when the disk refuses; where and why is for the log."""
    return make_error_response(unavailable("the gateway cannot keep what it must", code="storage_failed"))


async def on_bug(_: Request, __: Exception) -> Response:
    """Answer when we have made a mistake; the traceback goes to the log and nowhere else."""
    error = ApiError(500, ErrorKind.SERVER, "the gateway has made a mistake", code="internal_error")
    return make_error_response(error)


def make_error_response(error: ApiError) -> Response:
    """Return an error as a response."""
    return Response(error.encode(), status_code=error.status, headers=dict(error.headers), media_type=JSON)
