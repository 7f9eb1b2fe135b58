"""Events over HTTP: to a checked address, without redirects, in bounded time."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ingest.domain.addresses import AllowList
from ingest.domain.deliveries import Attempt

#: From resolving the name to the end of the answer.
TIMEOUT_SECONDS = 10.0
#: As much of an answer is read as keeps the connection; more is not worth it.
_ANSWER_BYTES = 64 * 1024

# It tells every request at this level, with its whole URL.
logging.getLogger("httpx").setLevel(logging.WARNING)


class _Refused(Exception):
    """The URL leads where nothing may be sent."""


class Webhook:
    """One endpoint's connections; never shared, so TLS is checked for its name."""

    def __init__(self, url: str, context: ssl.SSLContext, allowed: AllowList) -> None:
        self._url = httpx.URL(url)
        self._allowed = allowed
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
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(body, headers)
        except TimeoutError:
            error = f"No answer within {TIMEOUT_SECONDS:g} seconds"
        except _Refused as refused:
            error = str(refused)
        except socket.gaierror:
            error = f"Unknown host {self._url.host}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Attempt(error=error[:500], is_outage=True)

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Attempt:
        # To the very address that was checked: asked again, a name may say another.
        address = await self._resolve()
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
        """Return an address of the host that may be connected to."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(
            self._url.host, port, type=socket.SOCK_STREAM
        )
        addresses = [str(where[0]) for *_, where in found]
        for address in addresses:
            if self._allowed.admits(self._url.host, address):
                return address
        raise _Refused(
            f"{self._url.host} is at {addresses[0]}, which is not public; "
            "PENSTOCK_WEBHOOK_ALLOW does not name it"
        )


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
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
