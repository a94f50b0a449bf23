"""API keys: the owner's token, and named keys with limits, of which only digests are kept.

A key is `pk_<id>_<secret>`: the id finds the row, the secret is 256 random bits, so a plain hash of it at
rest is enough. Digests are compared in constant time. A revoked key stays in the table, so that its name and
what it spent stay known.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
from dataclasses import dataclass

from consensus.errors import ConfigError
from swarm.gateway.database import Database

KEY_CHARS_MIN = 16
KEY_CHARS_MAX = 256
DAY_MS = 86_400_000
OWNER = ""  # the id that stands for whoever holds the server's own key
_KEY = re.compile(r"pk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLUMNS = "id, name, created_ms, revoked_ms, requests_per_minute, tokens_per_day, tokens_in_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """What a key may use; None for no limit.

    Args:
        requests_per_minute: Questions, averaged over a minute; so many may come at once.
        tokens_per_day: Tokens of answers, a day of UTC.
        tokens_in_all: Tokens of answers in the key's life.
    """

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_in_all: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A named key, without its secret."""

    id: str
    name: str
    created_ms: int
    revoked_ms: int | None
    limits: KeyLimits


@dataclass(frozen=True, slots=True)
class Spent:
    """What a key has used: tokens today and in all, questions in all."""

    tokens_today: int
    tokens: int
    requests: int


@dataclass(frozen=True, slots=True)
class Created:
    """A new key; `secret` is shown once and kept nowhere."""

    key: ApiKey
    secret: str


def check_secret(secret: str) -> None:
    """Refuse a key of one's own that could be guessed or would not travel in a header.

    Raises:
        ConfigError: It is too short, too long, or has characters that a header cannot carry.
    """
    if not KEY_CHARS_MIN <= len(secret) <= KEY_CHARS_MAX:
        raise ConfigError(
            f"the API key has {len(secret)} characters, expected {KEY_CHARS_MIN} to {KEY_CHARS_MAX}",
            remedy="leave it out, and one is made",
        )
    if not all("!" <= character <= "~" for character in secret):
        raise ConfigError(
            "the API key has characters other than printable ASCII without spaces",
            remedy="use letters and digits",
        )


def make_token() -> str:
    """Return a new random token for a server's owner."""
    return secrets.token_urlsafe(32)


def digest_secret(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(b"peerage/api-key\x00" + secret.encode("utf-8", "surrogateescape")).digest()


def is_same_secret(offered: str, digest: bytes) -> bool:
    """Say whether a secret is the one with this digest, in a time that does not tell how nearly."""
    return hmac.compare_digest(digest_secret(offered), digest)


class KeyStore:
    """Named keys on disk.

    Args:
        database: Open; the caller closes it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, limits: KeyLimits, *, now_ms: int) -> Created:
        """Make a key.

        Raises:
            ConfigError: The name is taken, or none.
            StoreError: The database refuses.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"got the name {name[:80]!r}, expected 1 to 64 letters, digits, dots, dashes and underscores",
                remedy="choose another name",
            )
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = f"pk_{key_id}_{secret}"
        key = ApiKey(id=key_id, name=name, created_ms=now_ms, revoked_ms=None, limits=limits)

        def work(connection: sqlite3.Connection) -> bool:
            inserted = connection.execute(
                "INSERT INTO api_key (id, name, digest, created_ms, requests_per_minute, tokens_per_day,"
                " tokens_in_all) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (
                    key_id,
                    name,
                    digest_secret(token),
                    now_ms,
                    limits.requests_per_minute,
                    limits.tokens_per_day,
                    limits.tokens_in_all,
                ),
            )
            return inserted.rowcount == 1

        if not self._database.call(work):
            raise ConfigError(
                f"there is, or was, a key named {name!r}", remedy="choose a name that was never used"
            )
        return Created(key, token)

    def list_all(self) -> tuple[ApiKey, ...]:
        """Return all keys, revoked ones too, oldest first.

        Raises:
            StoreError: The database refuses.
        """
        rows = self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM api_key ORDER BY created_ms, id"  # noqa: S608
            ).fetchall()
        )
        return tuple(_read(row) for row in rows)

    def revoke(self, name: str, *, now_ms: int) -> bool:
        """Make a key worthless, at once and for good; False where it was already.

        Raises:
            ConfigError: There is no such key.
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute("SELECT 1 FROM api_key WHERE name = ?", (name,)).fetchone() is None:
                raise ConfigError(f"there is no key named {name[:80]!r}", remedy="peerage keys list")
            done = connection.execute(
                "UPDATE api_key SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL", (now_ms, name)
            )
            return done.rowcount == 1

        return self._database.call(work)

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key that a secret is, None where it is none or revoked.

        Raises:
            StoreError: The database refuses.
        """
        found = _KEY.fullmatch(secret)
        if found is None:
            return None
        key_id = found.group(1)
        row = await self._database.run_read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS}, digest FROM api_key WHERE id = ?",  # noqa: S608
                (key_id,),
            ).fetchone()
        )
        if row is None or not is_same_secret(secret, row[-1]):
            return None
        key = _read(row[:-1])
        return None if key.revoked_ms is not None else key

    async def get_spent(self, key_id: str, *, now_ms: int) -> Spent:
        """Return what a key has used.

        Raises:
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> Spent:
            today, tokens, requests = connection.execute(
                "SELECT coalesce(sum(CASE WHEN day = ? THEN tokens ELSE 0 END), 0),"
                " coalesce(sum(tokens), 0), coalesce(sum(requests), 0) FROM spent WHERE key_id = ?",
                (now_ms // DAY_MS, key_id),
            ).fetchone()
            return Spent(today, tokens, requests)

        return await self._database.run_read(work)

    async def note_spent(self, key_id: str, *, tokens: int, now_ms: int) -> None:
        """Add one question and its tokens to what a key has used.

        Raises:
            StoreError: The database refuses.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO spent (key_id, day, requests, tokens) VALUES (?, ?, 1, ?)"
                " ON CONFLICT (key_id, day) DO UPDATE SET requests = requests + 1,"
                " tokens = tokens + excluded.tokens",
                (key_id, now_ms // DAY_MS, tokens),
            )

        await self._database.run(work)


def _read(row: tuple[str, str, int, int | None, int | None, int | None, int | None]) -> ApiKey:
    key_id, name, created_ms, revoked_ms, per_minute, per_day, in_all = row
    return ApiKey(
        id=key_id,
        name=name,
        created_ms=created_ms,
        revoked_ms=revoked_ms,
        limits=KeyLimits(requests_per_minute=per_minute, tokens_per_day=per_day, tokens_in_all=in_all),
    )
