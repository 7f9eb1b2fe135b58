"""The pages on which an operator changes a profile, or deletes it.

A change is an import of the door `console`: it goes through the stream as any other,
and leaves a receipt. It is tried first, so that what is wrong is shown at its field.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from msgspec import Struct
from uuid_utils.compat import uuid7

from ingest.console.requests import PROFILE_ID, Page, PageRequest, Redirect
from ingest.domain.catalog import Catalog, Database, FieldType, Segment, SegmentKind
from ingest.domain.consent import Basis
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.imports import Import, Key, Matching, Operation, Outcome
from ingest.domain.lookups import PROFILE_ID as BY_ID
from ingest.domain.lookups import Lookup, Search
from ingest.domain.names import one_of
from ingest.domain.profiles import Profile, Subscription
from ingest.domain.statuses import PROHIBITION, read_word
from ingest.domain.views import view_flat_subscription
from ingest.doors.accept import place
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.profiles.deletions import delete_profile
from ingest.store.profiles.profile_rows import load_profiles
from ingest.wire.parameters import find_parameter, parse_id
from ingest.wire.profile_schemas import ProfileSchemas
from workers.dry_runs import dry_run

logger = logging.getLogger(__name__)

#: By which receipts know what was changed here.
DOOR = "console"
_UNSUBSCRIBED = "unsubscribed"
#: How a field of the form begins that holds a value, and what was shown for it.
_VALUE, _SHOWN = "field.", "shown."
#: Fields of these types are one line of text; others are changed by imports.
_TEXTS = frozenset(
    {
        FieldType.INT,
        FieldType.FLOAT,
        FieldType.UNICODE,
        FieldType.DATE,
        FieldType.BOOL,
        FieldType.ENUM,
        FieldType.IP,
        FieldType.ANY_IP,
        FieldType.TAGS,
        FieldType.SEX,
        FieldType.COUNTRY,
        FieldType.TIMEZONE,
    }
)


class EditField(Struct, frozen=True, kw_only=True):
    """A field of the form."""

    name: str
    title: str
    #: As it is written in the form; empty for no value.
    text: str
    #: What the form was made of: tells whether it was changed meanwhile.
    shown: str
    #: What may be chosen; empty for any text.
    options: tuple[str, ...] = ()
    #: What is wrong with it, or has changed.
    fault: str = ""


class _Subject(Struct, frozen=True, kw_only=True):
    """A profile, and the catalog that it is of."""

    catalog: Catalog
    profile: Profile

    @property
    def database(self) -> Database:
        """The database of the profile."""
        return self.catalog.databases[self.profile.database_id]

    @property
    def path(self) -> str:
        """The page of the profile."""
        return f"/profiles/{self.profile.database_id}/{self.profile.id}"


async def show_edit(request: PageRequest) -> Page:
    """Show the forms."""
    subject = await _load(request)
    return _show(subject, _list_fields(subject))


async def change(request: PageRequest) -> Page | Redirect:
    """Try a change; queue it, and show its receipt as soon as there is one."""
    action = request.form.get("action", "")
    if action not in _ACTIONS:
        raise InvalidRequest(f"Unknown action{one_of(tuple(_ACTIONS))}", "action")
    subject = await _load(request)
    if action == "save":
        return await _save(request, subject)
    parts = _ACTIONS[action](subject, request.form)
    return await _send(request, subject, parts, _list_fields(subject))


async def show_deletion(request: PageRequest) -> Page:
    """Show what a deletion erases."""
    subject = await _load(request)
    values = {"profile": subject.profile, "database": subject.database}
    return Page(template="delete.html", values=values)


async def delete(request: PageRequest) -> Redirect:
    """Delete the profile, unless it has changed since that was shown."""
    subject = await _load(request)
    if request.form.get("version") != str(subject.profile.version):
        raise InvalidRequest("The profile has changed. Reload the page", "version")
    profile = subject.profile
    search = Search(lookups=(Lookup(BY_ID, profile.id),))
    await request.services.write(
        partial(
            delete_profile,
            catalog=subject.catalog,
            database_id=profile.database_id,
            search=search,
            suppress=request.form.get("suppress") is not None,
        )
    )
    logger.info("profile deleted", extra={"token_id": request.admin.id})
    return Redirect(subject.path)


async def _load(request: PageRequest) -> _Subject:
    database_id, profile_id = request.number("database_id"), request.names["profile_id"]
    if not PROFILE_ID.fullmatch(profile_id):
        raise NotFound("Page not found")

    def read(connection: Connection) -> _Subject:
        catalog = load_catalog(connection, request.services.settings.profile_limits)
        found = load_profiles(connection, [(database_id, profile_id)])
        if not found or database_id not in catalog.databases:
            raise NotFound("Profile not found")
        return _Subject(catalog=catalog, profile=found[0])

    return await request.services.read(read)


def _show(
    subject: _Subject,
    fields: Iterable[EditField],
    *,
    faults: Iterable[str] = (),
    status: int = 200,
) -> Page:
    profile = subject.profile
    segments = _list_segments(subject)
    values = {
        "profile": profile,
        "database": subject.database,
        "catalog": subject.catalog,
        "fields": [*fields],
        "faults": [*faults],
        "outside": [one for one in segments if one.id not in profile.segments],
        "inside": [one for one in segments if one.id in profile.segments],
        "subscribed": [
            (_identify(one), one)
            for one in profile.subscriptions.values()
            if _can_unsubscribe(one)
        ],
    }
    return Page(template="edit.html", values=values, status=status)


def _list_segments(subject: _Subject) -> list[Segment]:
    """Return the static segments of the database; others go by their filters."""
    return [
        one
        for _, one in sorted(subject.catalog.segments.items())
        if one.database_id == subject.database.id and one.kind is SegmentKind.STATIC
    ]


def _can_unsubscribe(one: Subscription) -> bool:
    lower = PROHIBITION[read_word(one.status)] < PROHIBITION[_UNSUBSCRIBED]
    return lower and not one.deleted


def _list_fields(subject: _Subject) -> list[EditField]:
    """Return the fields of the form: contacts, then those of the catalog."""
    profile = subject.profile
    listed = [
        _make("email", "Email", profile.email),
        _make("phones", "Phones, separated by commas", list(profile.phones)),
    ]
    for name, one in {**SYSTEM_FIELDS, **subject.database.fields}.items():
        if one.type in _TEXTS:
            listed.append(
                _make(name, one.title or name, profile.fields.get(name), one.options)
            )
    return listed


def _make(
    name: str, title: str, value: object, options: Iterable[str] = ()
) -> EditField:
    text = _write(value)
    return EditField(
        name=name, title=title, text=text, shown=_digest(text), options=tuple(options)
    )


def _write(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


async def _save(request: PageRequest, subject: _Subject) -> Page | Redirect:
    """Take the fields that were changed in the form, and no others."""
    data: dict[str, object] = {}
    fields: list[EditField] = []
    conflicts: list[str] = []
    for one in _list_fields(subject):
        sent = request.form.get(_VALUE + one.name, "").strip()
        shown = request.form.get(_SHOWN + one.name)
        if shown is None or _digest(sent) in (shown, one.shown):
            fields.append(one)
            continue
        changed = EditField(
            name=one.name,
            title=one.title,
            text=sent,
            shown=one.shown,
            options=one.options,
            fault="" if shown == one.shown else f"Is now: {one.text or 'empty'}",
        )
        fields.append(changed)
        data[one.name] = _read(one.name, sent)
        if changed.fault:
            conflicts.append(one.title)
    if conflicts:
        text = (
            f"Changed while you edited: {', '.join(conflicts)}. Save again to replace"
        )
        return _show(subject, fields, faults=[text], status=409)
    if not data:
        return Redirect(subject.path)
    return await _send(request, subject, {"data": data}, fields)


def _read(name: str, text: str) -> object:
    """Return what an import sends for a text of the form."""
    if not text:
        return {"action": "unset"}
    if name == "phones":
        return [part for one in text.split(",") if (part := one.strip())]
    return text


async def _send(
    request: PageRequest,
    subject: _Subject,
    parts: Mapping[str, object],
    fields: Iterable[EditField],
) -> Page | Redirect:
    """Try an import; queue it if nothing is wrong with it."""
    import_ = _make_import(subject.profile, parts, token_id=request.admin.id)
    settings = request.services.settings
    outcome = await request.services.apply(
        partial(_try, import_=import_, settings=settings)
    )
    if outcome.error:
        return _show_faults(subject, fields, outcome)
    await request.services.append(place(import_, subject.catalog, settings.partitions))
    logger.info("profile changed", extra={"token_id": request.admin.id})
    return Redirect(f"/imports/{import_.import_id}")


def _show_faults(
    subject: _Subject, fields: Iterable[EditField], outcome: Outcome
) -> Page:
    messages = {
        fault.path.removeprefix("data.").partition("[")[0]: fault.message
        for fault in outcome.faults
    }
    shown = [
        EditField(
            name=one.name,
            title=one.title,
            text=one.text,
            shown=one.shown,
            options=one.options,
            fault=messages.pop(one.name, ""),
        )
        for one in fields
    ]
    others = messages.values() or ["Some values cannot be saved. See below"]
    return _show(subject, shown, faults=others, status=400)


def _try(connection: Connection, import_: Import, settings: Settings) -> Outcome:
    schemas = ProfileSchemas(load_catalog(connection, settings.profile_limits))
    (outcome,) = dry_run(connection, [import_], schemas)
    return outcome


def _make_import(
    profile: Profile, parts: Mapping[str, object], *, token_id: int | None
) -> Import:
    whole: dict[str, object] = {"data": {}, **parts}
    return Import(
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door=DOOR,
        token_id=token_id,
        database_id=profile.database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=profile.id),
        operation=Operation.UPDATE,
        **whole,  # type: ignore[arg-type]
    )


def _add(subject: _Subject, form: Mapping[str, str]) -> dict[str, object]:
    return {"add_to_segments": (_read_segment(subject, form),)}


def _remove(subject: _Subject, form: Mapping[str, str]) -> dict[str, object]:
    return {"remove_from_segments": (_read_segment(subject, form),)}


def _read_segment(subject: _Subject, form: Mapping[str, str]) -> int:
    segment_id = find_parameter(form, "segment_id", parse_id)
    if segment_id not in {one.id for one in _list_segments(subject)}:
        raise NotFound("Segment not found", "segment_id")
    return int(segment_id or 0)


def _unsubscribe(subject: _Subject, form: Mapping[str, str]) -> dict[str, object]:
    """Return what unsubscribes one subscription, or all; the reason is its basis."""
    reason, chosen = form.get("reason", "").strip(), form.get("subscription", "")
    if not reason:
        raise InvalidRequest("Missing reason", "reason")
    named = [
        one
        for one in subject.profile.subscriptions.values()
        if chosen in ("all", _identify(one)) and _can_unsubscribe(one)
    ]
    if not named:
        raise NotFound("Subscription not found", "subscription")
    basis = Basis(source=f"{DOOR}: {reason[:200]}")
    return {"data": {"subscriptions": [_name(one) for one in named]}, "consent": basis}


def _identify(one: Subscription) -> str:
    """Return what names a subscription in the form, whatever comes meanwhile."""
    return _digest(f"{one.key.resource_id}/{one.key.channel}/{one.key.contact}")


def _name(one: Subscription) -> dict[str, object]:
    flat = view_flat_subscription(one)
    named = {"resource_id": one.key.resource_id, "channel": one.key.channel.value}
    contact = {"cc_data": flat.cc_data} if flat.cc_data else dict(one.contact)
    return {**named, **contact, "status": _UNSUBSCRIBED}


_ACTIONS = {"save": _add, "add": _add, "remove": _remove, "unsubscribe": _unsubscribe}
