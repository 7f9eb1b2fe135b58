"""The quick import of web forms, which answers with HTTP statuses (contract 10.4)."""

from functools import partial

from falcon.asgi import Response
from msgspec.structs import replace

from ingest.domain.errors import Rejected
from ingest.domain.imports import Outcome
from ingest.domain.tokens import Token
from ingest.doors.accept import Accepted, accept
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.idempotency import RequestKey, find_key
from ingest.doors.http.imports import submit
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import asks_retry
from ingest.doors.http.requests import find_secret, read_body
from ingest.doors.http.tracing import traced
from ingest.telemetry import metrics
from ingest.wire.bodies import decode
from ingest.wire.envelopes import peek_token
from ingest.wire.forms import (
    Form,
    check_form_size,
    decode_form,
    decode_multipart,
    is_form,
    is_multipart,
)
from ingest.wire.promises import DRY_RUN
from ingest.wire.quick import QuickImport, load_quick

#: What a page may send along.
_SHARED_HEADERS = "Authorization, Content-Type, Idempotency-Key, Prefer"
#: The contract's list has one status for every fault of a token.
_STATUSES = {401: 403}


class QuickResource:
    """POST of one profile by flat parameters, in the URL or the body."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Decode, accept, wait, reply."""
        self._share(req, resp)
        # Whoever is refused all the same is refused before the body is read.
        await self._intake.admission.admit()
        try:
            accepted, quick = await self._accept(req, resp)
            if quick.dry_run:
                tried = await self._intake.dry_runs.run([accepted])
                _say(resp, *_describe_trial(tried.outcomes[0]))
                return
            answer = await submit(
                self._intake,
                req,
                resp,
                accepted,
                synchronous=quick.envelope.synchronous,
            )
        except Rejected as error:
            code = error.faults[0].code
            metrics.REFUSED.labels("http", code).inc()
            _say(resp, code, error.faults[0].text)
            return
        if answer is None:
            import_id = accepted.import_.import_id
            resp.set_header("Location", f"/api/v1.1/imports/{import_id}")
            late = asks_retry(self._intake.settings, req, resp)
            _say(resp, *(late or (202, "Accepted")))
        else:
            status = 202 if answer.is_held else 200
            _say(resp, answer.error or status, answer.error_text)

    async def on_options(self, req: Call, resp: Response) -> None:
        """Tell a browser what a page of an allowed origin may send."""
        resp.status = 204
        resp.set_header("Allow", "OPTIONS, POST")
        if self._share(req, resp):
            resp.set_header("Access-Control-Allow-Methods", "POST")
            resp.set_header("Access-Control-Allow-Headers", _SHARED_HEADERS)
            resp.set_header("Access-Control-Max-Age", "86400")

    def _share(self, req: Call, resp: Response) -> bool:
        """Let a page of an allowed origin read the answer (CORS)."""
        allowed = self._intake.settings.cors_origins
        origin = req.get_header("Origin")
        if not allowed:
            return False
        resp.append_header("Vary", "Origin")
        if origin is None or not {origin, "*"} & set(allowed):
            return False
        resp.set_header("Access-Control-Allow-Origin", origin)
        resp.set_header("Access-Control-Expose-Headers", "Import-Id, Location")
        return True

    async def _accept(self, req: Call, resp: Response) -> tuple[Accepted, QuickImport]:
        """Check who asks, then what is asked."""
        form = await self._read_form(req)
        body = form.inputs
        secret = peek_token(body) or find_secret(req)
        token = await self._intake.catalog.get_token(secret)
        await self._intake.rates.spend(token, resp)
        sent = {**decode_form(req.scope["query_string"]), **body}
        # Forms leave out what is empty; `?dry_run` is a word that somebody wrote.
        if req.get_param(DRY_RUN) == "":
            sent[DRY_RUN] = ""
        quick = load_quick(
            sent,
            self._intake.catalog.get_catalog(),
            referer=req.referer,
            files=form.files,
        )
        key = None
        # A dry run uses up no name.
        if not quick.dry_run:
            decoded = Decoded(document=sent, secret=secret)
            namer = self._intake.catalog.get_namer()
            key = await find_key(req, decoded, token.id, namer)
        return traced(req, self._place(quick, token, key)), quick

    async def _read_form(self, req: Call) -> Form:
        check_form_size(req.query_string.encode(), self._intake.settings.max_keys)
        body = await read_body(req, self._intake)
        if not body:
            return Form(inputs={})
        read = partial(self._decode, body, req.content_type)
        return await self._intake.bodies.decode(req, body, read)

    def _decode(self, body: bytes, content_type: str | None) -> Form:
        settings = self._intake.settings
        if is_form(content_type):
            check_form_size(body, settings.max_keys)
            return Form(inputs=decode_form(body, content_type))
        if is_multipart(content_type):
            return decode_multipart(body, content_type or "", settings.max_keys)
        return Form(inputs=decode(body, content_type, limits=settings.limits)[1])

    def _place(
        self, quick: QuickImport, token: Token, key: RequestKey | None
    ) -> Accepted:
        accepted = accept(
            quick.envelope,
            token=token,
            catalog=self._intake.catalog.get_catalog(),
            partitions=self._intake.settings.partitions,
            door="http",
            name=key.name() if key else None,
        )
        started = replace(accepted.import_, start=quick.start)
        return replace(accepted, import_=started)


def _describe_trial(outcome: Outcome) -> tuple[int, str]:
    """Return the status that an import would have, and what it would do."""
    text = f"{outcome.error_text} (dry run, nothing was written: {outcome.state})"
    return outcome.error or 200, text


def _say(resp: Response, code: int, text: str) -> None:
    """Answer with a status and its description."""
    resp.status = _STATUSES.get(code, code)
    resp.content_type = "text/plain; charset=utf-8"
    resp.text = text
