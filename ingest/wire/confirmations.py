"""Confirmations: what requests ask of them, and the imports that these become."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import Struct

from ingest.domain.confirmation_requests import Confirmation
from ingest.domain.confirmations import (
    CONFIRM_DOOR,
    name_confirm,
    name_expiry,
)
from ingest.domain.consent import DOUBLE_OPT_IN, Authority, Basis
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.identities import ImportName
from ingest.domain.imports import (
    ConfirmationAction,
    ConfirmationStep,
    Import,
    Key,
    Matching,
    Operation,
)
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.values import parse_ip
from ingest.wire.parameters import Parameter, parse_flag, parse_id, parse_text
from ingest.wire.queries import load_subscription_key

#: Characters of the address of a page, as of a basis; and of the name of a browser.
MAX_URL = 2000
_MAX_AGENT = 300
#: Characters of a token, or of an id, and some more.
_MAX_CONFIRMATION = 100


class Proof(Struct, frozen=True, kw_only=True):
    """The circumstances in which a person confirmed."""

    ip: str = ""
    url: str = ""
    agent: str = ""


class ConfirmRequest(Struct, frozen=True, kw_only=True):
    """The parameters of `subscriptions/confirm`."""

    #: A token, or the id of a confirmation.
    confirmation: str
    ip: str = ""
    url: str = ""
    synchronous: bool = True

    @property
    def proof(self) -> Proof:
        """The circumstances, as the caller says."""
        return Proof(ip=self.ip, url=self.url)


class ResendRequest(Struct, frozen=True, kw_only=True):
    """The parameters of `subscriptions/confirm_request`."""

    database_id: int
    profile_id: str
    key: SubscriptionKey
    synchronous: bool = True


def _bounded(most: int) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = parse_text(value).strip()
        if len(text) > most:
            raise ValidationError(f"At most {most:,} characters are allowed")
        return text

    return parse


def _parse_address(value: object) -> str:
    try:
        return parse_ip(value)
    except InvalidValue as error:
        raise ValidationError(str(error)) from error


class _ConfirmSchema(Schema):
    confirmation = Parameter(_bounded(_MAX_CONFIRMATION))
    ip = Parameter(_parse_address)
    url = Parameter(_bounded(MAX_URL))
    synchronous = Parameter(parse_flag, data_key="sync")


class _ResendSchema(Schema):
    database_id = Parameter(parse_id, data_key="db_id")
    profile_id = Parameter(parse_text)
    synchronous = Parameter(parse_flag, data_key="sync")


_CONFIRM = _ConfirmSchema(partial=True, unknown=EXCLUDE)
_RESEND = _ResendSchema(partial=True, unknown=EXCLUDE)


def load_confirm(document: Mapping[str, object]) -> ConfirmRequest:
    """Read what a person has confirmed; raise InvalidRequest with every fault."""
    return ConfirmRequest(**_load(_CONFIRM, document, "confirmation"))


def load_resend_request(
    document: Mapping[str, object], region: str | None = None
) -> ResendRequest:
    """Read who is to be asked once more; raise InvalidRequest with every fault."""
    names = ("db_id", "profile_id", "resource_id", "channel")
    loaded = _load(_RESEND, document, *names)
    return ResendRequest(key=load_subscription_key(document, region), **loaded)


def _load(
    schema: Schema, document: Mapping[str, object], *required: str
) -> dict[str, Any]:
    sent = {name: value for name, value in document.items() if value not in (None, "")}
    faults = [
        Fault(code=400, message="Missing parameter", path=name)
        for name in required
        if name not in sent
    ]
    try:
        loaded: dict[str, Any] = schema.load(sent)
    except ValidationError as error:
        faults += [
            Fault(code=400, message=message, path=name)
            for name, messages in error.messages_dict.items()
            for message in messages
        ]
        raise InvalidRequest(faults) from error
    if faults:
        raise InvalidRequest(faults)
    return loaded


def make_confirm(
    asked: Confirmation,
    proof: Proof,
    *,
    accepted_at: datetime,
    token_id: int | None,
) -> Import:
    """Return the import by which a person confirms: the same each time (D5).

    It has no time of its own: the person answers after they were asked, whatever the
    clocks of hosts say.
    """
    basis = Basis(
        raises=True,
        source=DOUBLE_OPT_IN,
        confirmed=True,
        ip=proof.ip,
        url=proof.url[:MAX_URL],
        agent=_clean(proof.agent)[:_MAX_AGENT],
    )
    return _make(
        ImportName(import_id=name_confirm(asked.id)),
        (asked.database_id, asked.profile_id),
        _make_step(ConfirmationAction.CONFIRM, asked.key, confirmation_id=asked.id),
        accepted_at=accepted_at,
        door=CONFIRM_DOOR,
        token_id=token_id,
        consent=basis,
        authority=Authority.RAISE,
    )


def make_resend(
    request: ResendRequest,
    name: ImportName,
    *,
    accepted_at: datetime,
    door: str,
    token_id: int | None,
) -> Import:
    """Return the import, called `name`, that asks a person once more (D3)."""
    return _make(
        name,
        (request.database_id, request.profile_id),
        _make_step(ConfirmationAction.REQUEST, request.key),
        accepted_at=accepted_at,
        door=door,
        token_id=token_id,
    )


def make_expiry(
    asked: Confirmation, before: datetime, *, accepted_at: datetime
) -> Import:
    """Return the import that deletes what nobody has confirmed: once only (D6)."""
    step = _make_step(
        *(ConfirmationAction.EXPIRE, asked.key),
        confirmation_id=asked.id,
        before=before,
    )
    return _make(
        ImportName(import_id=name_expiry(asked.id)),
        (asked.database_id, asked.profile_id),
        step,
        accepted_at=accepted_at,
        door=CONFIRM_DOOR,
        token_id=None,
    )


def _make_step(
    action: ConfirmationAction,
    key: SubscriptionKey,
    confirmation_id: UUID | None = None,
    before: datetime | None = None,
) -> ConfirmationStep:
    return ConfirmationStep(
        action=action,
        resource_id=key.resource_id,
        channel=key.channel.value,
        contact=key.contact,
        confirmation_id=confirmation_id,
        before=before,
    )


def _make(
    name: ImportName, owner: tuple[int, str], step: ConfirmationStep, **more: Any
) -> Import:
    database_id, profile_id = owner
    return Import(
        import_id=name.import_id,
        fingerprint=name.fingerprint,
        other_id=name.other_id,
        database_id=database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=profile_id),
        data={},
        operation=Operation.UPDATE,
        confirmation=step,
        **more,
    )


def _clean(text: str) -> str:
    """Return text of a header without what no line of text has."""
    return "".join(one for one in text if one.isprintable()).strip()
