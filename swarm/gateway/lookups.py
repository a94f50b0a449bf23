"""Everything that is only looked up: models, rounds, receipts, health, metrics."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import msgspec
import trio
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from consensus.question import Role
from consensus.receipt import compute_receipt_digest
from consensus.verify import VerifiedRound, verify_receipt
from swarm.edge.report import create_report
from swarm.gateway.answers import Origin, make_provenance
from swarm.gateway.bodies import get_base_url, get_caller, send_json, send_whole
from swarm.gateway.catalog import refuse_model
from swarm.gateway.errors import bad_request, not_found, unavailable
from swarm.gateway.history import History, PastRound
from swarm.gateway.metrics import CONTENT_TYPE
from swarm.gateway.quotas import Quotas
from swarm.gateway.replies import (
    Health,
    ModelCard,
    ModelList,
    RoleName,
    RoundCard,
    RoundDetails,
    RoundList,
    TurnOut,
)
from swarm.gateway.rounds import ROUND_ID_BYTES, RoundRow
from swarm.gateway.service import Gateway

PAGE_DEFAULT = 20
SEARCH_CHARS_MAX = 1_000
SHOWN_CHARS_MAX = 200  # of a question or answer in a list
RECEIPT_TYPE = "application/octet-stream"
ROLE_NAMES: dict[Role, RoleName] = {
    Role.SYSTEM: "system",
    Role.USER: "user",
    Role.ASSISTANT: "assistant",
}

Handler = Callable[[Request, Send], Awaitable[None]]


class Endpoint:
    """One route as an ASGI application, with a name for metrics."""

    def __init__(self, route_name: str, handler: Handler) -> None:
        self.route_name = route_name
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._handler(Request(scope, receive), send)


class Lookups:
    """Handlers of all GET routes.

    Args:
        gateway: The swarm.
        openapi: The description of the interface, as JSON.
        quotas: Keeps keys to their limits.
    """

    def __init__(self, gateway: Gateway, openapi: bytes, quotas: Quotas) -> None:
        self._gateway = gateway
        self._quotas = quotas
        self._openapi = openapi
        self._history = History(gateway.rounds)

    async def list_models(self, _: Request, send: Send) -> None:
        """Send all models."""
        cards = [self._make_card(name) for name in self._gateway.models]
        await send_json(send, msgspec.json.encode(ModelList(object="list", data=cards)))

    async def get_model(self, request: Request, send: Send) -> None:
        """Send one model."""
        name = request.path_params["model"]
        if name not in self._gateway.models:
            raise refuse_model(name)
        await send_json(send, msgspec.json.encode(self._make_card(name)))

    async def list_rounds(self, request: Request, send: Send) -> None:
        """Send a page of the caller's rounds, newest first."""
        most = self._gateway.limits.rounds_listed_max
        limit = read_whole(request, "limit", default=PAGE_DEFAULT, low=1, high=most)
        after = request.query_params.get("after")
        search = request.query_params.get("search", "")
        if len(search) > SEARCH_CHARS_MAX:
            raise bad_request(f"got {len(search)} characters, expected {SEARCH_CHARS_MAX}", param="search")
        caller = get_caller(request.scope)
        self._quotas.take_lookup(caller)
        page = await self._history.list(
            caller.sees,
            after=None if after is None else read_round_id(after, param="after"),
            limit=limit,
            search=search,
        )
        if page is None:
            raise not_found("round", str(after), code="round_not_found")
        cards = [make_round_card(past, get_base_url(request)) for past in page.rounds]
        reply = RoundList(
            object="list",
            data=cards,
            first_id=cards[0].id if cards else None,
            last_id=None if page.last_id is None else page.last_id.hex(),
            has_more=page.has_more,
        )
        await send_json(send, msgspec.json.encode(reply))

    async def get_round(self, request: Request, send: Send) -> None:
        """Send a round with what its receipt says."""
        row = await self._find(request)
        receipt = await self._gateway.rounds.read_receipt(row)
        verified = None if receipt is None else await trio.to_thread.run_sync(verify_kept, receipt, row)
        base_url = get_base_url(request)
        card = make_round_card(PastRound(row, await self._history.summarise(row)), base_url)
        details = RoundDetails(
            **{name: getattr(card, name) for name in RoundCard.__struct_fields__},
            turns=None if verified is None else make_turns(verified),
            swarm=None
            if verified is None
            else make_provenance(
                create_report(verified),
                Origin(self._gateway.asker.swarm.judge, {}, make_receipt_url(row, base_url)),
            ),
        )
        await send_json(send, msgspec.json.encode(details))

    async def get_receipt(self, request: Request, send: Send) -> None:
        """Send a round's receipt, byte for byte as it was kept."""
        row = await self._find(request)
        receipt = None if row.digest is None else await self._gateway.rounds.read_receipt(row)
        if receipt is None:
            raise not_found("receipt of round", row.round_id.hex(), code="receipt_not_found")
        if compute_receipt_digest(receipt) != row.digest:
            raise unavailable(
                f"the receipt of round {row.round_id.hex()} was changed on disk after it was handed out",
                code="receipt_altered",
                remedy="put back a copy whose digest is the one listed, or ask again",
            )
        name = quote(f"{row.round_id.hex()[:16]}.receipt")
        await send_whole(
            send,
            receipt,
            status=200,
            headers={
                "content-type": RECEIPT_TYPE,
                "content-disposition": f'attachment; filename="{name}"',
            },
        )

    async def get_health(self, _: Request, send: Send) -> None:
        """Say that the process answers."""
        await send_json(send, msgspec.json.encode(Health(status="ok")))

    async def get_readiness(self, _: Request, send: Send) -> None:
        """Say whether questions are taken."""
        reason = self._gateway.find_unready()
        status = 200 if reason is None else 503
        word = "ready" if reason is None else "not_ready"
        await send_json(send, msgspec.json.encode(Health(status=word, reason=reason)), status=status)

    async def get_metrics(self, _: Request, send: Send) -> None:
        """Send what is counted."""
        await send_whole(
            send, self._gateway.metrics.render(), status=200, headers={"content-type": CONTENT_TYPE}
        )

    async def get_openapi(self, _: Request, send: Send) -> None:
        """Send the description of the interface."""
        await send_json(send, self._openapi)

    async def _find(self, request: Request) -> RoundRow:
        text, caller = request.path_params["round_id"], get_caller(request.scope)
        round_id = read_round_id(text, param="round_id")
        self._quotas.take_lookup(caller)
        row = await self._gateway.rounds.get(round_id, caller.sees)
        if row is None:
            raise not_found("round", text, code="round_not_found")
        return row

    def _make_card(self, name: str) -> ModelCard:
        return ModelCard(
            id=name,
            object="model",
            created=self._gateway.started_ms // 1_000,
            owned_by="peerage",
            description=self._gateway.models[name],
        )


def make_round_card(past: PastRound, base_url: str) -> RoundCard:
    """Return a round as it is listed."""
    row, summary = past.row, past.summary
    answer = None if summary is None else summary.answer
    return RoundCard(
        id=row.round_id.hex(),
        object="round",
        created=row.created_ms // 1_000,
        ended=None if row.ended_ms is None else row.ended_ms // 1_000,
        model=row.model,
        status=row.status,
        reason=row.reason or None,
        p_best=row.p_best,
        receipt_digest=None if row.digest is None else row.digest.hex(),
        receipt_url=None if row.digest is None else make_receipt_url(row, base_url),
        question=None if summary is None else summary.question[:SHOWN_CHARS_MAX],
        answer=None if answer is None else answer[:SHOWN_CHARS_MAX],
    )


def verify_kept(receipt: bytes, row: RoundRow) -> VerifiedRound | None:
    """Return what a round's receipt proves; None where it does not hold, or is not the one handed out."""
    if compute_receipt_digest(receipt) != row.digest:
        return None
    verified = verify_receipt(receipt).round
    return verified if verified is not None and verified.facts.round_id == row.round_id else None


def make_receipt_url(row: RoundRow, base_url: str) -> str:
    """Return where a round's receipt is."""
    return f"{base_url}/v1/rounds/{row.round_id.hex()}/receipt"


def make_turns(verified: VerifiedRound) -> list[TurnOut]:
    """Return the conversation that was asked."""
    return [
        TurnOut(role=ROLE_NAMES[Role(turn.role)], content=turn.text.decode("utf-8"))
        for turn in verified.facts.question.turns
    ]


def read_round_id(text: str, *, param: str) -> bytes:
    """Read a round's id.

    Raises:
        ApiError: It is none.
    """
    try:
        round_id = bytes.fromhex(text) if text.isascii() and text.isalnum() else b""
    except ValueError:
        round_id = b""
    if len(round_id) != ROUND_ID_BYTES:
        raise bad_request(f"got {text[:80]!r}, expected {2 * ROUND_ID_BYTES} hex digits", param=param)
    return round_id


def read_whole(request: Request, name: str, *, default: int, low: int, high: int) -> int:
    """Read a whole number from a query.

    Raises:
        ApiError: It is none, or out of bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise bad_request(f"got {name} {text[:40]!r}, expected {low} to {high}", param=name)
    return int(text)
