"""How a browser is let in: a code that works once, or an API key, is exchanged for a cookie of this server's.

The cookie says which key its browser showed; every request looks that key up anew, so that one that was
revoked ends the session too. Sessions live as long as the process, at most.
"""

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from swarm.gateway.keys import digest_secret, is_same_secret, make_token

SESSIONS_MAX = 64  # one more ends the oldest of a key that has the most
SESSIONS_PER_KEY_MAX = 16  # one more ends the key's own oldest
SESSION_S_MAX = 43_200


@dataclass(frozen=True, slots=True)
class _Session:
    key: str
    ends_s: float


class Sessions:
    """Browsers that were let in.

    Args:
        get_s: A clock that only goes forward, seconds.
    """

    def __init__(self, get_s: Callable[[], float]) -> None:
        self._get_s = get_s
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._code: tuple[bytes, str] | None = None

    def make_code(self, key: str) -> str:
        """Return a code that opens one session with a key; the code made before is void."""
        code = make_token()
        self._code = (digest_secret(code), key)
        return code

    def redeem(self, code: str) -> str | None:
        """Return the key that a code stands for and void the code; None where it is void or none."""
        if self._code is None or not is_same_secret(code, self._code[0]):
            return None
        (_, key), self._code = self._code, None
        return key

    def open(self, key: str) -> str:
        """Begin a session for a key that was looked up; returns what the cookie holds."""
        token = secrets.token_urlsafe(32)
        self._sessions[digest_secret(token)] = _Session(key, self._get_s() + SESSION_S_MAX)
        self._make_room(key)
        return token

    def find(self, token: str) -> str | None:
        """Return the key that a session was opened with; None where there is no such session any more."""
        session = self._sessions.get(digest_secret(token))
        if session is None or session.ends_s <= self._get_s():
            return None
        return session.key

    def close(self, token: str) -> None:
        """End a session; one that is none is none afterwards too."""
        self._sessions.pop(digest_secret(token), None)

    def _make_room(self, key: str) -> None:
        """End one session where there are too many: of this key, or of one that has more than others."""
        counts = Counter(session.key for session in self._sessions.values())
        if counts[key] > SESSIONS_PER_KEY_MAX:
            crowded = SESSIONS_PER_KEY_MAX
        elif len(self._sessions) > SESSIONS_MAX:
            crowded = max(counts.values()) - 1
        else:
            return
        digest = next(each for each, session in self._sessions.items() if counts[session.key] > crowded)
        del self._sessions[digest]
