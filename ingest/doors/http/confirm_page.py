"""The page that a link to confirm leads to (D4).

To open it changes nothing: programs open what is in mails, too. Its button confirms.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from falcon.asgi import Response
from msgspec import Struct

from ingest.domain.addresses import AllowList, parse_allow_list
from ingest.domain.answers import Answer
from ingest.domain.confirmations import ConfirmationState
from ingest.domain.errors import NotFound, Overloaded, Unavailable
from ingest.doors.http.calls import Call
from ingest.doors.http.confirmations import (
    Confirmations,
    FoundConfirmation,
    note_result,
)
from ingest.doors.http.intake import Intake
from ingest.doors.http.pages import render_confirmation
from ingest.telemetry import metrics
from ingest.wire.confirmations import Proof

PATH = "/confirm/{token}"
#: Nobody keeps it, and nobody is told of its address.
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Of proxies, so many are followed.
_MOST_PROXIES = 20
_RETRY_SECONDS = "5"


class Screen(Struct, frozen=True, kw_only=True):
    """One thing that the page says."""

    status: int
    title: str
    text: str
    #: There is a button, and what it is called.
    button: str = ""


CONFIRMED = Screen(
    status=200,
    title="Your subscription is confirmed",
    text="You can close this page.",
)
ACCEPTED = Screen(
    status=202,
    title="Your confirmation was received",
    text="Your subscription will be confirmed in a moment. You can close this page.",
)
GONE = Screen(
    status=410,
    title="This link is not valid",
    text="It has expired, or the subscription has changed since it was sent. To"
    " subscribe, fill in the form again.",
)
BUSY = Screen(
    status=503,
    title="Try again in a moment",
    text="Your confirmation could not be received right now. Nothing was changed.",
    button="Try again",
)


UNAVAILABLE = Screen(
    status=503, title="Try again in a moment", text="Then reload this page."
)


class ConfirmPage:
    """The page that a person sees who opens a link, and its button."""

    def __init__(self, intake: Intake, confirmations: Confirmations) -> None:
        self._intake = intake
        self._confirmations = confirmations
        self._proxies = parse_allow_list(intake.settings.trusted_proxies)

    async def on_get(self, req: Call, resp: Response, token: str) -> None:
        """Show the button; confirm only where an operator has chosen so (D4).

        HEAD comes here too, and never confirms.
        """
        await self._serve(req, resp, token, confirms=False)

    async def on_post(self, req: Call, resp: Response, token: str) -> None:
        """Confirm."""
        await self._serve(req, resp, token, confirms=True)

    async def _serve(
        self, req: Call, resp: Response, token: str, *, confirms: bool
    ) -> None:
        try:
            found = await self._confirmations.find(
                self._confirmations.read_token(token)
            )
            await self._answer(req, resp, found, confirms=confirms)
        except NotFound:
            _show(resp, GONE)
        except (Overloaded, Unavailable):
            resp.set_header("Retry-After", _RETRY_SECONDS)
            _show(resp, BUSY if confirms else UNAVAILABLE)

    async def _answer(
        self, req: Call, resp: Response, found: FoundConfirmation, *, confirms: bool
    ) -> None:
        policy = found.resource.confirm if found.resource else None
        redirect = policy.redirect if policy else ""
        if found.state is ConfirmationState.CONFIRMED:
            metrics.CONFIRMATIONS.labels("repeated").inc()
            _end(resp, CONFIRMED, redirect)
            return
        is_open = policy is not None and policy.one_click and req.method == "GET"
        if not confirms and not is_open:
            _show(resp, _make_question(found), redirect)
            return
        answer = await self._confirm(req, found)
        if answer is None:
            _show(resp, ACCEPTED)
        elif answer.error:
            _show(resp, GONE)
        else:
            _end(resp, CONFIRMED, redirect)

    async def _confirm(self, req: Call, found: FoundConfirmation) -> Answer | None:
        await self._intake.admission.admit()
        public_url = self._intake.settings.public_url.rstrip("/")
        proof = Proof(
            ip=find_address(
                req.remote_addr, req.get_header("X-Forwarded-For"), self._proxies
            ),
            # Without the token, which is no business of whoever reads the basis.
            url=f"{public_url}/confirm" if public_url else "",
            agent=req.get_header("User-Agent") or "",
        )
        accepted = self._confirmations.accept(req, found, proof)
        answer = await self._intake.enqueue(
            accepted, wait_seconds=self._intake.settings.wait_seconds
        )
        note_result(answer)
        return answer


def _make_question(found: FoundConfirmation) -> Screen:
    name = found.resource.name if found.resource else ""
    return Screen(
        status=200,
        title="Confirm your subscription",
        text=f"To subscribe to {name}, press the button. If you did not request this,"
        " close this page: nothing changes.",
        button="Confirm",
    )


def _end(resp: Response, screen: Screen, redirect: str) -> None:
    """Lead a person who has confirmed to where the catalog says, and nowhere else."""
    if not redirect:
        _show(resp, screen)
        return
    _show(resp, screen)
    # By GET, whatever confirmed.
    resp.status = 303
    resp.set_header("Location", redirect)


def _show(resp: Response, screen: Screen, redirect: str = "") -> None:
    resp.status = screen.status
    resp.set_headers({**_HEADERS, "Content-Security-Policy": _make_policy(redirect)})
    resp.content_type = "text/html; charset=utf-8"
    resp.data = render_confirmation(
        title=screen.title, text=screen.text, button=screen.button
    ).encode()


def _make_policy(redirect: str) -> str:
    """Return what the page may do: nothing but send its form, here.

    Browsers also ask it of where the answer to a form leads.
    """
    parts = urlsplit(redirect)
    also = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
        f" form-action 'self'{also}; frame-ancestors 'none'"
    )


def find_address(peer: str, forwarded: str | None, proxies: AllowList) -> str:
    """Return the address of the person behind a request; empty if it is none.

    `forwarded` is X-Forwarded-For: each proxy appends who has asked it. So it counts
    from its end, and as long as the one that wrote it is trusted.
    """
    listed = (forwarded or "").split(",")[-_MOST_PROXIES:]
    told = [one.strip() for one in listed if one.strip()]
    address = _parse_address(peer)
    while told and address and _is_proxy(address, proxies):
        address = _parse_address(told.pop())
    return address


def _is_proxy(address: str, proxies: AllowList) -> bool:
    parsed = ip_address(address)
    return any(
        parsed.version == network.version and parsed in network
        for network in proxies.networks
    )


def _parse_address(text: str) -> str:
    try:
        parsed = ip_address(text)
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return str(mapped or parsed)
