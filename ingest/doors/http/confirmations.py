"""Confirming over HTTP: what our page and other pages do by a token (D3 to D6)."""

import math
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from falcon.asgi import Response
from msgspec import Struct
from uuid_utils.compat import uuid7

from ingest.domain.answers import Answer
from ingest.domain.catalog import Catalog, Resource
from ingest.domain.confirmation_requests import StoredConfirmation
from ingest.domain.confirmation_tokens import make_confirmation_key, read_token
from ingest.domain.confirmations import (
    UNKNOWN,
    ConfirmationState,
    find_earliest,
    find_state,
)
from ingest.domain.errors import InvalidRequest, NotFound, RateExceeded, TooSoon
from ingest.domain.identities import ImportName
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import Accepted, check_access, check_right, place
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.idempotency import find_key
from ingest.doors.http.imports import submit
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply, reply_accepted, reply_answer
from ingest.doors.http.requests import authenticate
from ingest.doors.http.tracing import traced
from ingest.store.confirmations import (
    OwnedConfirmation,
    find_confirmation,
    load_last_requests,
)
from ingest.store.database import Connection
from ingest.store.profiles.aliases import locate_ids
from ingest.telemetry import metrics
from ingest.wire.confirmations import (
    Proof,
    ResendRequest,
    load_confirm,
    load_resend_request,
    make_confirm,
    make_resend,
)
from ingest.wire.queries import load_id
from ingest.wire.reply_types import ImportedReply


class FoundConfirmation(Struct, frozen=True, kw_only=True):
    """A confirmation as it is now."""

    state: ConfirmationState
    asked: StoredConfirmation
    profile_id: str
    #: None where the catalog has it no more.
    resource: Resource | None


class Confirmations:
    """Finds what tokens open, and has it confirmed."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        # One that is no secret ends the process at its start, by the settings.
        self._key = make_confirmation_key(intake.settings.secret)

    def read_token(self, token: str) -> UUID:
        """Return what a token opens; raise NotFound, without a look at Postgres."""
        id_ = None if self._key is None else read_token(self._key, token)
        if id_ is None:
            metrics.CONFIRMATIONS.labels("invalid").inc()
            raise NotFound(UNKNOWN)
        return id_

    def read_confirmation(self, text: str) -> UUID:
        """Return what a token opens, or an id names; raise NotFound."""
        try:
            return UUID(text)
        except ValueError:
            return self.read_token(text)

    async def find(self, id_: UUID) -> FoundConfirmation:
        """Return a confirmation; raise NotFound for one that is of no use (D6)."""
        owned = await self._intake.readers.read(
            partial(find_confirmation, confirmation_id=id_)
        )
        found = None if owned is None else self._show(owned)
        if found is None or found.state is ConfirmationState.GONE:
            metrics.CONFIRMATIONS.labels("expired").inc()
            raise NotFound(UNKNOWN)
        return found

    def _show(self, owned: OwnedConfirmation) -> FoundConfirmation | None:
        asked, profile = owned.asked, owned.profile
        if profile is None:
            return None
        stored = profile.subscriptions.get(asked.key)
        resources = self._intake.catalog.get_catalog().resources
        return FoundConfirmation(
            state=find_state(asked, stored, datetime.now(UTC)),
            asked=asked,
            profile_id=profile.id,
            resource=resources.get(asked.key.resource_id),
        )

    def accept(
        self,
        req: Call,
        found: FoundConfirmation,
        proof: Proof,
        *,
        token_id: int | None = None,
    ) -> Accepted:
        """Return what a person confirms: one import, however many do so (D5)."""
        import_ = make_confirm(
            found.asked, proof, accepted_at=datetime.now(UTC), token_id=token_id
        )
        catalog = self._intake.catalog.get_catalog()
        accepted = place(import_, catalog, self._intake.settings.partitions)
        return traced(req, accepted)


def note_result(answer: Answer | None) -> None:
    """Count what came of a confirmation that was queued."""
    result = "waiting"
    if answer is not None:
        result = "expired" if answer.error else "confirmed"
    metrics.CONFIRMATIONS.labels(result).inc()


class ConfirmResource:
    """POST of what a person has confirmed on a page of the operator's own (D4)."""

    def __init__(self, intake: Intake, confirmations: Confirmations) -> None:
        self._intake = intake
        self._confirmations = confirmations

    async def on_post(self, req: Call, resp: Response) -> None:
        """Find the confirmation, check who asks, queue it, wait, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake)
        told = load_confirm(request.document)
        if Scope.CONSENT not in token.actions:
            check_right(token, 0, Scope.CONSENT)
        id_ = self._confirmations.read_confirmation(told.confirmation)
        found = await self._confirmations.find(id_)
        check_right(token, found.asked.database_id, Scope.CONSENT)
        if found.state is ConfirmationState.CONFIRMED:
            metrics.CONFIRMATIONS.labels("repeated").inc()
            reply(req, resp, 200, ImportedReply(profile_id=found.profile_id))
            return
        accepted = self._confirmations.accept(req, found, told.proof, token_id=token.id)
        answer = await submit(
            self._intake, req, resp, accepted, synchronous=told.synchronous
        )
        note_result(answer)
        _reply(self._intake, req, resp, accepted, answer)


class ConfirmRequestResource:
    """POST to ask a person once more (D3)."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, queue the request, wait, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake)
        told = self._load(request)
        catalog = self._intake.catalog.get_catalog()
        check_access(token, told.database_id, catalog)
        import_ = make_resend(
            told,
            await self._name(req, request, token),
            accepted_at=datetime.now(UTC),
            door="http",
            token_id=token.id,
        )
        partitions = self._intake.settings.partitions
        accepted = traced(req, place(import_, catalog, partitions))
        answer = await submit(
            self._intake, req, resp, accepted, synchronous=told.synchronous
        )
        if answer is not None and answer.error == TooSoon.code:
            raise RateExceeded(
                answer.error_text, retry_seconds=await self._find_wait(told)
            )
        _reply(self._intake, req, resp, accepted, answer)

    def _load(self, request: Decoded) -> ResendRequest:
        catalog = self._intake.catalog.get_catalog()
        with suppress(InvalidRequest):
            database_id = load_id(request.document, "db_id")
            database = catalog.databases.get(database_id)
            region = None if database is None else database.phone_region
            return load_resend_request(request.document, region)
        return load_resend_request(request.document)

    async def _name(self, req: Call, request: Decoded, token: Token) -> ImportName:
        namer = self._intake.catalog.get_namer()
        key = await find_key(req, request, token.id, namer)
        return key.name() if key else ImportName(import_id=uuid7())

    async def _find_wait(self, told: ResendRequest) -> int:
        """Return in how many seconds there may be another request."""
        earliest = await self._intake.readers.read(
            partial(
                _read_earliest, told=told, catalog=self._intake.catalog.get_catalog()
            )
        )
        return max(1, math.ceil((earliest - datetime.now(UTC)).total_seconds()))


def _read_earliest(
    connection: Connection, told: ResendRequest, catalog: Catalog
) -> datetime:
    """Return from when on a person may be asked once more."""
    now = datetime.now(UTC)
    resource = catalog.resources.get(told.key.resource_id)
    owner = (told.database_id, told.profile_id)
    alias = locate_ids(connection, [owner])[1].get(owner)
    profile_id = told.profile_id if alias is None else alias.profile_id
    address = (told.database_id, profile_id, told.key)
    last = load_last_requests(connection, [address]).get(address)
    if resource is None or resource.confirm is None:
        return now
    return find_earliest(last, resource.confirm) if last else now


def _reply(
    intake: Intake, req: Call, resp: Response, accepted: Accepted, answer: Answer | None
) -> None:
    if answer is None:
        reply_accepted(req, resp, accepted.import_.import_id, intake.settings)
    else:
        reply_answer(req, resp, answer, mirror=intake.settings.mirror_errors)
