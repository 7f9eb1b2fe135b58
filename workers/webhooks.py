"""Events over HTTP: to a checked address, without redirects, in bounded time."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ingest.domain.addresses import AllowList
from ingest.domain.deliveries import Attempt
from workers.resolver import RESOLVE_SECONDS, Resolver

#: From connecting to the end of the answer, once the name is resolved.
TIMEOUT_SECONDS = 10.0
#: As much of an answer is read as keeps the connection; more is not worth it.
_ANSWER_BYTES = 64 * 1024

# It tells every request at this level, with its whole URL.
logging.getLogger("httpx").setLevel(logging.WARNING)


class _Refused(Exception):
    """The URL leads nowhere, or where nothing may be sent."""


class Webhook:
    """One endpoint's connections; never shared, so TLS is checked for its name."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        allowed: AllowList,
        resolver: Resolver,
    ) -> None:
        """Open nothing yet; raise httpx.InvalidURL."""
        self._url = httpx.URL(url)
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._allowed = allowed
        self._resolver = resolver
        # No proxy of the environment: it would resolve the name once more.
        self._client = httpx.AsyncClient(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT_SECONDS,
        )

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Send `body` once; return what came of it."""
        # What hangs here is the name's, and takes nothing of the receiver's time.
        try:
            address = await self._resolve()
        except _Refused as refused:
            return _outage(str(refused))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(address, body, headers)
        except TimeoutError:
            error = f"No answer within {TIMEOUT_SECONDS:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._resolver.forget(self._url.host, self._port)
        return _outage(error)

    async def _post(
        self, address: str, body: bytes, headers: Mapping[str, str]
    ) -> Attempt:
        # To the very address that was checked: asked again, a name may say another.
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers={
                **headers,
                "host": self._url.netloc.decode(),
                "content-type": "application/json",
                "user-agent": "penstock",
            },
            extensions={"sni_hostname": self._url.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > _ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        return judge(response.status_code, response.headers.get("retry-after"))

    async def _resolve(self) -> str:
        """Return an address of the host that may be connected to; raise _Refused."""
        host = self._url.host
        try:
            addresses = await self._resolver.resolve(host, self._port)
        except TimeoutError as error:
            raise _Refused(
                f"No address of {host} within {RESOLVE_SECONDS:g} seconds"
            ) from error
        except UnicodeError as error:
            raise _Refused(f"{host} cannot be the name of a host") from error
        except OSError as error:
            raise _Refused(f"Unknown host {host}") from error
        for address in addresses:
            if self._allowed.admits(host, address):
                return address
        raise _Refused(
            f"{host} is at {addresses[0]}, which is not public; "
            "PENSTOCK_WEBHOOK_ALLOW does not name it"
        )


def _outage(error: str) -> Attempt:
    return Attempt(error=error[:500], is_outage=True)


def judge(status: int, retry_after: str | None) -> Attempt:
    """Return what an answer means: 2xx is success, 410 the end, the rest failure."""
    if 200 <= status < 300:
        return Attempt(status=status)
    if 300 <= status < 400:
        return Attempt(status=status, error=f"{status}: redirects are not followed")
    return Attempt(
        status=status,
        error=f"Answered {status}",
        retry_after=_seconds(retry_after),
        is_outage=status == 429 or status >= 500,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    # A year beyond all calendars is an OverflowError; what is no date at all, others.
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
