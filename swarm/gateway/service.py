"""What the gateway does with a request that was let in: ask the swarm, or one peer of it.

Knows nothing of HTTP but its errors.
"""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import trio

from consensus.decision import Status
from consensus.errors import ConfigError
from consensus.genesis import SEATS_MIN
from ranking.canonical import STEPS_MAX
from swarm.edge.asking import Asked, SwarmAsker
from swarm.edge.report import RoundReport
from swarm.edge.wishes import Prepared, Wish
from swarm.gateway.admission import Admission
from swarm.gateway.alone import PeerAlone
from swarm.gateway.answers import Answer, Origin, make_provenance, make_texts, name_status
from swarm.gateway.catalog import FAST, HELPER, describe_models, refuse_model
from swarm.gateway.costs import count_tokens, count_usage
from swarm.gateway.drafts import listen_with_drafts
from swarm.gateway.errors import ApiError, bad_request, unavailable
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.metrics import Metrics
from swarm.gateway.progress import Notify, ProgressHub
from swarm.gateway.quotas import Caller, Hold
from swarm.gateway.readiness import Presence, get_presence
from swarm.gateway.replies import ProgressEvent, RoundStatus
from swarm.gateway.requests import Order, ProgressMode
from swarm.gateway.rounds import RoundEnd, RoundStore, end_by_report
from swarm.gateway.taking_part import TakingPart
from swarm.gateway.told import ToldLog

RETRY_S_DEFAULT = 5
BYTES_PER_TOKEN_MIN = 2  # a conversation of more bytes than that cannot fit, in whatever language
OPENING_STEPS = ("model", "start")  # what the swarm took once, before any question
SEEDS_REMEMBERED_MAX = 1_024  # rounds that came to nothing, so that the same seed does not lead there again


@dataclass(slots=True)
class Gateway:
    """A swarm that is up, as the gateway sees it.

    Args:
        asker: The swarm.
        hub: Gets the asker's progress.
        rounds: Remembers rounds.
        metrics: Counts.
        limits: Bounds of the server.
        get_ms: The time of day, milliseconds.
        told: Writes down what the peers say, where their own event log is not at hand.
    """

    asker: SwarmAsker
    hub: ProgressHub
    rounds: RoundStore
    metrics: Metrics
    limits: GatewayLimits
    get_ms: Callable[[], int]
    told: ToldLog | None = None
    models: dict[str, str] = field(init=False)
    admission: Admission = field(init=False)
    helpers: Admission = field(init=False)
    alone: PeerAlone | None = field(init=False)
    round_s: float = field(default=0.0)
    is_over: bool = field(default=False)
    started_ms: int = field(init=False)
    came_to_nothing: deque[bytes] = field(default_factory=lambda: deque(maxlen=SEEDS_REMEMBERED_MAX))
    taking_part: TakingPart = field(default_factory=TakingPart)
    _scopes: list[trio.CancelScope] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(
            running_max=self.limits.rounds_at_once,
            waiting_max=self.limits.waiting_max,
            get_retry_s=self.get_retry_s,
        )
        self.helpers = Admission(
            running_max=self.limits.helpers_at_once,
            waiting_max=self.limits.waiting_max,
            get_retry_s=lambda: 1,
        )
        self.models = describe_models(self.asker)
        self.alone = self._make_alone()
        self.started_ms = self.get_ms()

    # -- what a request is, before it is let in ----------------------------------------------------

    def check_order(self, order: Order) -> None:
        """Refuse what can be refused without asking.

        Raises:
            ApiError: There is no such model, or not so many candidates.
        """
        if order.model not in self.models:
            raise refuse_model(order.model)
        seats = self.get_seats(order.model)
        if order.choices > seats:
            raise bad_request(f"got n {order.choices}, expected at most {seats}, one a seat", param="n")

    def get_seats(self, model: str) -> int:
        """Return how many peers answer for a model: at most so many candidates there are."""
        return SEATS_MIN if model == FAST else self.asker.options.peers

    def get_tokens_max(self, order: Order) -> int:
        """Return the most tokens that the answers to an order may have, all peers together."""
        answers = order.choices if order.model == HELPER else self.get_seats(order.model)
        return answers * self._get_tokens_each(order)

    def choose_admission(self, order: Order) -> Admission:
        """Return the queue that an order stands in."""
        return self.helpers if order.model == HELPER else self.admission

    def get_retry_s(self) -> int:
        """Return after how many seconds a place may be free: a round takes about so long."""
        return max(1, round(self.round_s)) if self.round_s else RETRY_S_DEFAULT

    def find_unready(self) -> str | None:
        """Return why questions are not taken; None where they are."""
        if self.admission.is_closed:
            return "shutting down"
        return self.presence.find_shortage()

    @property
    def presence(self) -> Presence:
        """How many peers are there."""
        return get_presence(self.asker)

    @property
    def fingerprint(self) -> str:
        """What OpenAI calls the system's fingerprint: it changes when the swarm does."""
        return f"fp_{self.asker.swarm.network.network_id.hex()[:16]}"

    # -- answering ---------------------------------------------------------------------------------

    async def answer(
        self, order: Order, caller: Caller, hold: Hold, *, notify: Notify, base_url: str
    ) -> Answer:
        """Answer an order whose turn has come; whoever is cancelled here cancels the work in every peer.

        Args:
            order: Checked.
            caller: Whose round it will be.
            hold: Told what the answers cost as soon as that is known, whether they can be sent or not.
            notify: Called with progress.
            base_url: Where clients reach this gateway, for links.

        Raises:
            ApiError: There is no answer; says why.
        """
        if self.is_over:  # its turn has come because all before it were given up
            raise shutting_down()
        scope = trio.CancelScope()
        self._scopes.append(scope)
        answer = None
        try:
            with scope:
                if order.model == HELPER:
                    answer = await self._get_alone().answer(
                        order, hold, tokens_each=self._get_tokens_each(order), fingerprint=self.fingerprint
                    )
                else:
                    answer = await self._answer_together(
                        order, caller, hold, notify=notify, base_url=base_url
                    )
        finally:
            self._scopes.remove(scope)
        if answer is None:
            raise shutting_down()
        return answer

    def stop(self) -> None:
        """Let nobody in any more."""
        self.admission.is_closed = self.helpers.is_closed = True

    def cancel_all(self) -> None:
        """Give up what is under way, and what waits for that to end."""
        self.is_over = True
        for scope in self._scopes:
            scope.cancel()

    async def _answer_together(
        self, order: Order, caller: Caller, hold: Hold, *, notify: Notify, base_url: str
    ) -> Answer:
        prepared = await self._prepare_alone(order, caller)
        with self.taking_part.hold(prepared.round_id):
            asked = await self._ask_or_find(order, caller, hold, prepared, notify)
        report = asked.report
        assert report is not None, "who has none was refused"
        if report.status is Status.PARTIAL and order.rejects_partial:
            raise self._refuse(
                f"{len({gone.seat for gone in report.missing})} of {report.seats} seats are missing, and the"
                " request refuses partial answers",
                "partial_rejected",
                prepared,
            )
        elapsed = {name: seconds for name, seconds in asked.elapsed_s.items() if name not in OPENING_STEPS}
        name = prepared.round_id.hex()
        origin = Origin(asked.judge, elapsed, f"{base_url}/v1/rounds/{name}/receipt")
        return Answer(
            id=f"chatcmpl-{name[:32]}",
            created=self.get_ms() // 1_000,
            model=order.model,
            fingerprint=self.fingerprint,
            texts=make_texts(
                report,
                choices=order.choices,
                tokens_max=self._get_tokens_each(order),
                has_banner=order.has_banner,
            ),
            usage=count_usage(self.asker.meter, asked, report),
            provenance=make_provenance(report, origin) if order.has_provenance else None,
        )

    async def _prepare_alone(self, order: Order, caller: Caller) -> Prepared:
        """Prepare an order, once nobody is about to end the very round that it is.

        A seeded round under way can be joined. One that has its answer cannot: asked again, it might be
        answered with another peer's receipt in place of the one handed out, which is found a moment later.
        """
        prepared = self._prepare(order, caller)
        while not self.asker.client.is_waited_for(prepared.round_id):
            if not await self.taking_part.wait_none(prepared.round_id):
                break
            prepared = self._prepare(order, caller)  # it may have come to nothing meanwhile
        return prepared

    async def _ask_or_find(
        self, order: Order, caller: Caller, hold: Hold, prepared: Prepared, notify: Notify
    ) -> Asked:
        """Return how a round ended that has an answer: asked now, or when its receipt was handed out.

        Raises:
            ApiError: It has none, its receipt could not be kept, or there is nobody to ask.
        """
        is_new = not self.asker.client.is_waited_for(prepared.round_id)
        if is_new and order.seed is not None:
            kept = await self.rounds.find_kept(prepared.round_id)
            if kept is not None:  # this very round, with the receipt that was handed out then
                hold.used = self._count_tokens(order, prepared, kept)
                return Asked(kept, None, "", {}, self.asker.swarm.judge)
        if is_new and not self.asker.client.linked:
            raise unavailable(
                "none of the swarm's peers is connected to this gateway",
                code="no_peers",
                remedy="ask again soon; it goes on dialing them, and /readyz says when they are back",
                retry_s=RETRY_S_DEFAULT,
            )
        asked = await self._ask(order, caller, hold, prepared, notify)
        await self._close(order, prepared, asked)
        return asked

    async def _ask(
        self, order: Order, caller: Caller, hold: Hold, prepared: Prepared, notify: Notify
    ) -> Asked:
        """Ask a prepared question; note it before it leaves, and where nobody waits for its end any more.

        However it ends, what it cost is booked.
        """
        round_id, asked = prepared.round_id, None
        if not self.asker.client.is_waited_for(round_id):  # who joins goes on at once, before it can end
            await self.rounds.begin(round_id, created_ms=self.get_ms(), model=order.model, owner=caller.id)
        if self.told is not None:
            self.told.begin(prepared)
        notify(ProgressEvent(event="round.asked", round_id=round_id.hex()))
        try:
            with self._listen(order, prepared, notify):
                asked = await self.asker.ask_prepared(
                    prepared, receipt_path=self.rounds.get_receipt_path(round_id)
                )
        finally:
            hold.used = self._count_tokens(order, prepared, None if asked is None else asked.report)
            if asked is None and not self.asker.client.is_waited_for(round_id):
                self.came_to_nothing.append(round_id)
                await self._note_end(order, prepared, "cancelled", "nobody waited for it any more")
        return asked

    def _listen(self, order: Order, prepared: Prepared, notify: Notify) -> AbstractContextManager[None]:
        """Have progress told; where it is wanted as events, also the answers once they are revealed.

        Answers are shown as this process made them. Where other people's peers do, there are none to show
        before the receipt.
        """
        meter = self.asker.meter
        if order.progress is not ProgressMode.EVENTS or meter is None:
            return self.hub.listen(prepared.round_id, notify)
        return listen_with_drafts(prepared, notify, hub=self.hub, meter=meter)

    def _count_tokens(self, order: Order, prepared: Prepared, report: RoundReport | None) -> int:
        return count_tokens(self.asker.meter, prepared, report, tokens_max=self.get_tokens_max(order))

    def _prepare(self, order: Order, caller: Caller) -> Prepared:
        """Sign the question of an order; a seeded one is asked anew where it has come to nothing before.

        Raises:
            ApiError: The conversation breaks a limit of the protocol.
        """
        wish = Wish(
            turns=order.turns,
            temperature_milli=order.temperature_milli,
            tokens_max=order.tokens_max,
            seats=SEATS_MIN if order.model == FAST else None,
            steps_max=1 if order.model == FAST else STEPS_MAX,
            seed=order.seed,
            owner=caller.id,
        )
        try:
            prepared = self.asker.prepare(wish)
            while prepared.round_id in self.came_to_nothing:
                wish = replace(wish, attempt=wish.attempt + 1)
                prepared = self.asker.prepare(wish)
        except ConfigError as exc:
            raise bad_request(exc.message, param="messages", code="context_length_exceeded") from exc
        return prepared

    async def _close(self, order: Order, prepared: Prepared, asked: Asked) -> None:
        """Note how a round ended, and refuse what has no answer.

        Raises:
            ApiError: It has none, or its receipt could not be kept.
        """
        if asked.is_unanswerable:
            self.came_to_nothing.append(prepared.round_id)
            await self._note_end(order, prepared, "unanswered", asked.reason)
            raise self._explain_failure(order, prepared)
        if asked.report is None:
            self.asker.client.cancel(prepared.round_id)  # nobody waits for it any more
            self.came_to_nothing.append(prepared.round_id)
            await self._note_end(order, prepared, "unanswered", asked.reason)
            raise self._refuse("the swarm came to no certified result", "no_result", prepared)
        if asked.receipt_path is None:
            await self._note_end(order, prepared, "failed", asked.reason)
            raise self._refuse("the receipt could not be kept, so no answer is given", "not_kept", prepared)
        report = asked.report
        if self.told is not None and asked.certified is not None:
            self.told.close(asked.certified)
        await self._keep_end(prepared, end_by_report(report, ended_ms=self.get_ms()))
        self.metrics.rounds.labels(order.model, name_status(report.status)).inc()
        self.round_s = asked.elapsed_s.get("round", self.round_s)
        self.metrics.round_seconds.labels(order.model).observe(self.round_s)
        kind = "declared" if self.asker.meter is None else "answer"
        self.metrics.tokens.labels(order.model, kind).inc(report.answer_tokens)
        if asked.prompt_tokens is not None:
            self.metrics.tokens.labels(order.model, "prompt").inc(asked.prompt_tokens)
        if report.status is Status.FAILED or report.winner is None:
            self.came_to_nothing.append(prepared.round_id)
            raise self._refuse("the round failed: too few seats took part", "round_failed", prepared)

    async def _note_end(self, order: Order, prepared: Prepared, status: RoundStatus, reason: str) -> None:
        """Note the end of a round without an answer."""
        self.metrics.rounds.labels(order.model, status).inc()
        if self.told is not None:
            self.told.halt(prepared.round_id, reason)
        await self._keep_end(prepared, RoundEnd(ended_ms=self.get_ms(), status=status, reason=reason))

    async def _keep_end(self, prepared: Prepared, end: RoundEnd) -> None:
        """Keep how a round ended, also where its client leaves meanwhile: else it would run for ever."""
        with trio.CancelScope(shield=True):
            await self.rounds.end(prepared.round_id, end)

    def _explain_failure(self, order: Order, prepared: Prepared) -> ApiError:
        """Return what is said when no model could answer; its own words may name what is not the client's."""
        host = self.asker.host
        context = None if host is None else host.info().context_tokens
        size = sum(len(turn.text) for turn in order.turns)
        if context is not None and size >= BYTES_PER_TOKEN_MIN * context:
            return bad_request(
                f"the conversation has {size} bytes, more than fits the model's {context} tokens",
                param="messages",
                code="context_length_exceeded",
                remedy="shorten it",
            )
        return self._refuse("no peer's model could answer", "model_failed", prepared)

    def _make_alone(self) -> PeerAlone | None:
        """Return who answers without a round; None where the peers are other people's."""
        host = self.asker.host
        if host is None:
            return None
        beside = trio.CapacityLimiter(self.limits.helpers_at_once)
        return PeerAlone(host, self.asker, self.metrics, self.get_ms, beside)

    def _get_alone(self) -> PeerAlone:
        if self.alone is None:
            raise refuse_model(HELPER)
        return self.alone

    def _refuse(self, message: str, code: str, prepared: Prepared) -> ApiError:
        error = unavailable(message, code=code, retry_s=self.get_retry_s())
        error.round_id = prepared.round_id.hex()
        return error

    def _get_tokens_each(self, order: Order) -> int:
        return self.asker.options.tokens_max if order.tokens_max is None else order.tokens_max


def shutting_down() -> ApiError:
    """Return what they are told whose answer does not come before the end."""
    return unavailable("the server is shutting down", code="server_shutdown", remedy="ask again later")
