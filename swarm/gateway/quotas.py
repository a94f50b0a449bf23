"""What named keys may use: questions a minute in memory, tokens on disk, and what is under way held back."""

import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from swarm.gateway.errors import ApiError, ErrorKind
from swarm.gateway.keys import DAY_MS, OWNER, KeyLimits, KeyStore, Spent

BUCKETS_MAX = 4_096
MINUTE_S = 60.0
LOOKUP_SHARE = 0.1  # of a question: what is looked up is read and verified anew each time


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the owner of the server, who has no limits, or a named key."""

    id: str
    name: str
    limits: KeyLimits

    @property
    def sees(self) -> str | None:
        """Whose rounds they see: None for everybody's."""
        return None if self.id == OWNER else self.id


@dataclass(slots=True)
class _Bucket:
    """Questions that may still come at once, and when that was counted, in seconds."""

    level: float
    at_s: float


@dataclass(slots=True)
class Hold:
    """Tokens held back for a request under way; `used` says in the end how many they were."""

    headers: dict[str, str]
    used: int = field(default=0)


class Quotas:
    """Keeps keys to their limits.

    Args:
        keys: Remembers what was spent.
        get_s: A clock that never goes back, seconds.
        get_ms: The time of day, milliseconds; days end by it.
    """

    def __init__(self, keys: KeyStore, *, get_s: Callable[[], float], get_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._get_s = get_s
        self._get_ms = get_ms
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._held: dict[str, int] = {}
        self._booking = trio.Lock()  # tokens pass from held to spent: nobody may look in between

    @asynccontextmanager
    async def hold(self, caller: Caller, tokens_max: int) -> AsyncIterator[Hold]:
        """Let a request pass if its key can pay for the most it may take, and book what it took.

        Args:
            caller: Whose limits count.
            tokens_max: The most tokens that its answers may have.

        Raises:
            ApiError: A limit is reached; 429 with the time after which it is not.
            StoreError: The database refuses.
        """
        if caller.id == OWNER:
            yield Hold({})
            return
        async with self._booking:
            spent = await self._keys.get_spent(caller.id, now_ms=self._get_ms())
            held = self._held.get(caller.id, 0)
            self._check_tokens(caller.limits, spent, held + tokens_max)
            headers = self._take_request(caller, 1.0)
            headers |= self._describe_tokens(caller.limits, spent, held + tokens_max)
            self._held[caller.id] = held + tokens_max
        hold = Hold(headers)
        try:
            yield hold
        finally:
            with trio.CancelScope(shield=True):  # a client that leaves has still had its tokens
                async with self._booking:
                    try:
                        await self._keys.note_spent(caller.id, tokens=hold.used, now_ms=self._get_ms())
                    finally:
                        self._release(caller.id, tokens_max)

    def take_lookup(self, caller: Caller) -> None:
        """Count a lookup against a key's questions a minute, as a part of one.

        Args:
            caller: Whose limit counts.

        Raises:
            ApiError: The limit is reached; 429 with the time after which it is not.
        """
        self._take_request(caller, LOOKUP_SHARE)

    def _release(self, key_id: str, tokens: int) -> None:
        self._held[key_id] -= tokens
        if not self._held[key_id]:
            del self._held[key_id]

    def _take_request(self, caller: Caller, share: float) -> dict[str, str]:
        """Take a question, or a share of one, out of a key's bucket; returns the usual headers."""
        per_minute = caller.limits.requests_per_minute
        if per_minute is None:
            return {}
        now = self._get_s()
        bucket = self._buckets.pop(caller.id, _Bucket(float(per_minute), now))
        self._buckets[caller.id] = bucket
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        gained = (now - bucket.at_s) * per_minute / MINUTE_S
        bucket.level, bucket.at_s = min(float(per_minute), bucket.level + gained), now
        if bucket.level < share:
            wait_s = (share - bucket.level) * MINUTE_S / per_minute
            raise ApiError(
                429,
                ErrorKind.RATE_LIMIT,
                f"this key may ask {per_minute} questions a minute, or look up {round(1 / LOOKUP_SHARE)}"
                " times for each",
                code="rate_limit_exceeded",
                headers=_describe_requests(per_minute, bucket.level)
                | {"retry-after": str(math.ceil(wait_s))},
            )
        bucket.level -= share
        return _describe_requests(per_minute, bucket.level)

    def _check_tokens(self, limits: KeyLimits, spent: Spent, wanted: int) -> None:
        if limits.tokens_in_all is not None and spent.tokens + wanted > limits.tokens_in_all:
            raise ApiError(
                429,
                ErrorKind.QUOTA,
                f"this key has used {spent.tokens} of its {limits.tokens_in_all} tokens, and this request"
                f" and those under way may take {wanted}",
                code="insufficient_quota",
                remedy="ask for fewer max_tokens, or ask the owner of this server for another key",
                headers=self._describe_tokens(limits, spent, 0),
            )
        if limits.tokens_per_day is not None and spent.tokens_today + wanted > limits.tokens_per_day:
            raise ApiError(
                429,
                ErrorKind.QUOTA,
                f"this key has used {spent.tokens_today} of its {limits.tokens_per_day} tokens a day, and"
                f" this request and those under way may take {wanted}",
                code="insufficient_quota",
                remedy="ask for fewer max_tokens, or again tomorrow (UTC)",
                headers=self._describe_tokens(limits, spent, 0)
                | {"retry-after": str(self._get_day_left_s())},
            )

    def _describe_tokens(self, limits: KeyLimits, spent: Spent, held: int) -> dict[str, str]:
        """Return the usual headers for the budget that ends first."""
        budgets = [
            (limit, limit - used - held, reset_s)
            for limit, used, reset_s in (
                (limits.tokens_per_day, spent.tokens_today, self._get_day_left_s()),
                (limits.tokens_in_all, spent.tokens, None),
            )
            if limit is not None
        ]
        if not budgets:
            return {}
        limit, left, reset_s = min(budgets, key=lambda budget: budget[1])
        headers = {
            "x-ratelimit-limit-tokens": str(limit),
            "x-ratelimit-remaining-tokens": str(max(0, left)),
        }
        return headers if reset_s is None else headers | {"x-ratelimit-reset-tokens": f"{reset_s}s"}

    def _get_day_left_s(self) -> int:
        return math.ceil((DAY_MS - self._get_ms() % DAY_MS) / 1_000)


def _describe_requests(per_minute: int, level: float) -> dict[str, str]:
    full_s = (per_minute - level) * MINUTE_S / per_minute
    return {
        "x-ratelimit-limit-requests": str(per_minute),
        "x-ratelimit-remaining-requests": str(int(level)),
        "x-ratelimit-reset-requests": f"{full_s:.3f}s",
    }
