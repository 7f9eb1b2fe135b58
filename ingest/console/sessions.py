"""Sessions, tokens of forms, and slow guessing of passwords."""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from ingest.domain.errors import Overloaded
from ingest.domain.tokens import Token

#: A login lasts so long after the last page, and never longer than the second.
IDLE_SECONDS = 3600.0
LONGEST_SECONDS = 12 * 3600.0
#: More admins than this are not logged in at once: the one idle longest is let go.
_MAX_SESSIONS = 1000
#: The latest searches of a login, which its pages go back to.
_MAX_SEARCHES = 20
#: Each wrong secret is answered so late, one after another.
FAILURE_SECONDS = 1.0
#: Wrong secrets whose answer is due; more are refused.
_MAX_FAILURES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login."""

    #: The hash of the admin token's secret, by which it is looked up again each time.
    secret_hash: bytes
    began_at: float
    seen_at: float
    #: Searches by a short key: what is searched tells of people, and is in no URL.
    searches: OrderedDict[str, Mapping[str, str]] = field(default_factory=OrderedDict)
    #: The token, as it was found the last time.
    admin: Token | None = None


class Sessions:
    """The logins of this process; they end with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, secret_hash: bytes) -> str:
        """Log in; return the id that the cookie carries."""
        session_id, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[session_id] = Session(
            secret_hash=secret_hash, began_at=now, seen_at=now
        )
        while len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session_id

    def find(self, session_id: str) -> Session | None:
        """Return a login that is still good, and keep it so for a while."""
        session, now = self._sessions.pop(session_id, None), self._clock()
        if session is None:
            return None
        is_idle = now - session.seen_at > IDLE_SECONDS
        if is_idle or now - session.began_at > LONGEST_SECONDS:
            return None
        self._sessions[session_id] = replace(session, seen_at=now)
        return session

    def keep_search(self, session_id: str, search: Mapping[str, str]) -> str | None:
        """Keep what a form searched; return the key that a URL may hold.

        None without a login, as of who sends a Bearer token.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return None
        key = secrets.token_hex(4)
        session.searches[key] = search
        while len(session.searches) > _MAX_SEARCHES:
            session.searches.popitem(last=False)
        return key

    def find_search(self, session_id: str, key: str) -> Mapping[str, str] | None:
        """Return what was searched in this login; None if it is no longer kept."""
        session = self._sessions.get(session_id)
        return None if session is None else session.searches.get(key)

    def note_admin(self, session_id: str, admin: Token) -> None:
        """Remember whose login it is, for the time while that cannot be looked up."""
        session = self._sessions.get(session_id)
        if session is not None and session.admin != admin:
            self._sessions[session_id] = replace(session, admin=admin)

    def close(self, session_id: str) -> None:
        """Log out."""
        self._sessions.pop(session_id, None)

    def form_token(self, cookie: str) -> str:
        """Return what a form must carry to be taken from the holder of `cookie`."""
        return hmac.new(self._key, cookie.encode(), sha256).hexdigest()

    def is_ours(self, cookie: str, token: str) -> bool:
        """Tell whether we made the form with `token` for the holder of `cookie`."""
        expected = self.form_token(cookie).encode()
        return bool(cookie) and hmac.compare_digest(expected, token.encode())


class Brake:
    """Makes guessing slow: wrong secrets are answered one by one, each late."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def slow_down(self) -> None:
        """Wait one's turn; raise Overloaded when too many wait already."""
        if self._waiting >= _MAX_FAILURES:
            raise Overloaded("Too many failed logins. Try again in a minute")
        self._waiting += 1
        try:
            async with self._lock:
                await asyncio.sleep(self._seconds)
        finally:
            self._waiting -= 1
