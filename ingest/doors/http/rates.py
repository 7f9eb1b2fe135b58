"""The rates of tokens, one budget over all intakes: kept in Redis, by its clock."""

import math
from collections.abc import Sequence
from typing import Any

from falcon.asgi import Response
from redis.exceptions import RedisError

from ingest.domain.errors import InvalidRequest, RateExceeded, Unavailable
from ingest.domain.rates import Rate, RateState
from ingest.domain.tokens import Token
from ingest.streams.connections import connect
from ingest.streams.queues import rate_key

#: The generic cell rate algorithm, which alone gives a rested token a burst and what
#: comes back meanwhile: twice the rate in the first second. So what a second takes is
#: counted too, from its first request on. The key holds, in microseconds, when the
#: whole burst is there again and when the second began, then what it took; it is gone
#: when both are over. No clock that was set back holds a token for longer than a burst.
_SPEND = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, count = tonumber(ARGV[1]), tonumber(ARGV[3])
local room, cap = interval * tonumber(ARGV[2]), tonumber(ARGV[4])
local known = redis.call('GET', KEYS[1]) or ''
local full_at, began, taken = string.match(known, '^(%d+) (%d+) (%d+)$')
full_at = tonumber(full_at or known) or now
if full_at > now + room then
    full_at = now + room
    local value = string.format('%.0f', full_at)
    redis.call('SET', KEYS[1], value, 'PX', math.ceil(room / 1000))
end
full_at = math.max(full_at, now)
began, taken = tonumber(began) or now, tonumber(taken) or 0
if now >= began + 1000000 or now < began then
    began, taken = now, 0
end
local after = full_at + interval * count
local wait = after - room - now
if taken + count > cap then
    wait = math.max(wait, began + 1000000 - now)
end
local left = math.min(math.floor((room - full_at + now) / interval), cap - taken)
if wait > 0 then
    return {0, math.max(0, left), math.ceil(full_at - now), math.ceil(wait)}
end
local ends = math.max(after, began + 1000000)
local value = string.format('%.0f %.0f %.0f', after, began, taken + count)
redis.call('SET', KEYS[1], value, 'PX', math.ceil((ends - now) / 1000))
return {1, left - count, math.ceil(after - now), 0}
"""
_MICROSECONDS = 1_000_000


class Rates:
    """Lets tokens have what their rates allow; those without one cost nothing."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-rates")

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def spend(self, token: Token, resp: Response, count: int = 1) -> None:
        """Take `count` from what `token` may ask, and say in `resp` what is left.

        Raises RateExceeded and takes nothing if that is too little for now,
        InvalidRequest if it always will be, Unavailable without Redis.
        """
        rate = token.rate
        if rate is None:
            return
        resp.set_header("RateLimit-Policy", rate.policy)
        if count > rate.burst:
            raise InvalidRequest(
                f"Too many elements for the token's burst (at most {rate.burst})",
                "data",
            )
        standing = await self._ask(token.id, rate, count)
        resp.set_header("RateLimit", standing.field)
        if not standing.is_allowed:
            raise RateExceeded(
                "The API token's rate limit is exceeded",
                retry_seconds=math.ceil(standing.retry_seconds),
            )

    async def _ask(self, token_id: int, rate: Rate, count: int) -> RateState:
        interval = _MICROSECONDS / rate.per_second
        arguments = (rate_key(token_id), interval, rate.burst, count, rate.cap)
        # The client's types do not tell its two colours apart.
        script: Any = self._redis
        try:
            reply: Sequence[int] = await script.eval(_SPEND, 1, *arguments)
        except (RedisError, OSError) as error:
            raise Unavailable("The queue is unavailable") from error
        allowed, remaining, reset, wait = reply
        return RateState(
            is_allowed=bool(allowed),
            remaining=remaining,
            reset_seconds=reset / _MICROSECONDS,
            retry_seconds=wait / _MICROSECONDS,
        )
