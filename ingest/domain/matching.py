"""Matching modes to searches (contract section 3)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b

from ingest.domain import fields
from ingest.domain.catalog import Catalog, Channel, Database, Field, FieldType
from ingest.domain.contacts import email_key, normalize_email, phone_key
from ingest.domain.errors import InvalidRequest, InvalidValue, NotFound
from ingest.domain.imports import Import, Matching, Operation
from ingest.domain.lookups import (
    EMAIL,
    FIELD_PREFIX,
    FIELD_SCAN,
    NO_SEARCH,
    PHONE,
    PROFILE_ID,
    SUBSCRIPTION_CHANNELS,
    SUBSCRIPTION_SCAN,
    Lookup,
    Search,
    lock_name,
)
from ingest.domain.matching_keys import (
    email_values,
    listed_contacts,
    missing,
    normal,
    phone_values,
    plain,
)
from ingest.domain.names import suggest
from ingest.domain.subscription_contacts import parse_contact


def build_search(import_: Import, catalog: Catalog) -> Search:
    """Return what finds the profile of `import_`; InvalidRequest without a key."""
    if import_.operation is Operation.ADD:
        return NO_SEARCH
    if import_.merge is not None:
        ids = dict.fromkeys(import_.merge.profiles)
        return Search(lookups=tuple(Lookup(PROFILE_ID, one) for one in ids))
    if import_.release is not None and import_.release.profile_id is not None:
        return Search(lookups=(Lookup(PROFILE_ID, import_.release.profile_id),))
    return _BUILDERS[import_.matching](import_, catalog)


def route_key(import_: Import, search: Search) -> bytes:
    """Return the key of `import_` in 8 bytes: those of one key apply in their order.

    `search` is what `build_route_search` returns for it.
    """
    name = lock_name(import_.database_id, search.lookups[0]) if search.lookups else ""
    name = name or str(import_.import_id)
    return blake2b(name.encode(), digest_size=8).digest()


def route(key: bytes, partitions: int) -> int:
    """Return the partition for all imports of a key."""
    return int.from_bytes(key) % partitions


def build_route_search(import_: Import, catalog: Catalog) -> Search:
    """Return the search whose first key tells the partition of `import_`.

    Raises InvalidRequest when the matching key is missing or malformed.
    """
    if import_.operation is not Operation.ADD:
        return build_search(import_, catalog)
    # It searches nothing, yet what comes later for its email must stay behind it.
    with suppress(InvalidRequest):
        return _BUILDERS[Matching.EMAIL](import_, catalog)
    return NO_SEARCH


def _by_contacts(
    *,
    email: tuple[str, ...] = (),
    phone: tuple[str, ...] = (),
) -> Callable[[Import, Catalog], Search]:
    """Return the builder for a mode that searches these kinds of key."""
    in_subscriptions = not {EMAIL, PHONE} & {*email, *phone}

    def build(import_: Import, catalog: Catalog) -> Search:
        wanted: dict[str, list[str]] = {}
        if email:
            wanted["email"] = email_values(import_, subscriptions=in_subscriptions)
        if phone:
            database = catalog.databases.get(import_.database_id)
            region = None if database is None else database.phone_region
            wanted["phone"] = phone_values(
                import_, region, subscriptions=in_subscriptions
            )
        if not any(wanted.values()):
            raise missing(" or ".join(wanted))
        emails, phones = wanted.get("email", []), wanted.get("phone", [])
        keys = [(email, email_key(value)) for value in emails]
        keys += [(phone, phone_key(value)) for value in phones]
        lookups = [_lookup(kind, key, import_) for kinds, key in keys for kind in kinds]
        return Search(
            lookups=tuple(dict.fromkeys(lookups)),
            email=emails[0] if emails and EMAIL in email else None,
            phone=phones[0] if phones and PHONE in phone else None,
        )

    return build


def _lookup(kind: str, value: str, import_: Import) -> Lookup:
    scoped = kind in SUBSCRIPTION_CHANNELS
    return Lookup(kind, value, import_.resource_id if scoped else None)


def _by_profile_id(import_: Import, _: Catalog) -> Search:
    if import_.key.profile_id is None:
        raise missing("profile_id")
    return Search(lookups=(Lookup(PROFILE_ID, import_.key.profile_id.lower()),))


def _by_push(import_: Import, _: Catalog) -> Search:
    key = import_.key
    if key.provider is None and key.subscription_id is None:
        listed = listed_contacts(import_, Channel.PUSH)
        if not listed:
            raise missing("provider")
        contact = listed[0]
    else:
        if key.provider is None or key.subscription_id is None:
            absent = "provider" if key.provider is None else "subscription_id"
            raise missing(absent)
        pair = {"provider": key.provider, "subscription_id": key.subscription_id}
        contact = parse_contact(Channel.PUSH, pair)
    return Search(lookups=(_lookup("push_sub", contact.canonical, import_),))


def _by_field(import_: Import, catalog: Catalog) -> Search:
    name = _field_name(import_)
    database = _database(import_, catalog)
    if name == "email":
        email = normal(normalize_email, _field_value(import_, name), "field_value")
        return Search(lookups=(Lookup(EMAIL, email_key(email)),), email=email)
    field = database.fields.get(name)
    if field is None:
        near = suggest(name, database.fields)
        raise InvalidRequest(f"Unknown field {name!r}{near}", "field_name")
    value, texts = _field_texts(field, import_)
    if field.match:
        lookups = tuple(Lookup(FIELD_PREFIX + name, text) for text in texts)
        return Search(lookups=lookups, every=True, field=(name, value))
    scan = Lookup(FIELD_SCAN, f"{name}={','.join(texts)}")
    return Search(lookups=(scan,), document={name: value}, field=(name, value))


def _by_subscription_field(import_: Import, catalog: Catalog) -> Search:
    name = _field_name(import_)
    field = _subscription_field(import_, catalog, name)
    if field is None:
        raise InvalidRequest(f"Unknown subscription field {name!r}", "field_name")
    value, texts = _field_texts(field, import_)
    text = f"{name}={','.join(texts)}"
    scan = Lookup(SUBSCRIPTION_SCAN, text, import_.resource_id)
    return Search(lookups=(scan,), document={name: value})


def _subscription_field(import_: Import, catalog: Catalog, name: str) -> Field | None:
    for resource in catalog.resources.values():
        wanted = import_.resource_id in (None, resource.id)
        if wanted and import_.database_id in resource.database_ids:
            field = resource.fields.get(name)
            if field is not None:
                return field
    return None


def _field_name(import_: Import) -> str:
    if import_.key.field_name is None:
        raise missing("field_name")
    return import_.key.field_name


def _field_value(import_: Import, name: str) -> object:
    value: object = import_.key.field_value
    if value is None:
        value = plain(import_.data.get(name))
    if value is None:
        raise missing("field_value")
    return value


def _field_texts(field: Field, import_: Import) -> tuple[object, list[str]]:
    """Return the canonical value to look for, and its texts."""
    raw = _field_value(import_, field.name)
    try:
        value = fields.parse(field, raw)
        texts = [] if value is None else fields.match_value(field, value)
    except InvalidValue as error:
        raise InvalidRequest(str(error), "field_value") from error
    if not texts:
        raise missing("field_value")
    if field.type is FieldType.TAGS:
        texts = sorted(texts)
    return value, texts


def _database(import_: Import, catalog: Catalog) -> Database:
    database = catalog.databases.get(import_.database_id)
    if database is None:
        raise NotFound("Database not found", "db_id")
    return database


_BUILDERS: Mapping[Matching, Callable[[Import, Catalog], Search]] = {
    Matching.EMAIL: _by_contacts(email=(EMAIL, "email_sub")),
    Matching.EMAIL_PROFILE: _by_contacts(email=(EMAIL,)),
    Matching.EMAIL_SUB: _by_contacts(email=("email_sub",)),
    Matching.PHONE: _by_contacts(phone=(PHONE, "phone_sub")),
    Matching.PHONE_SUB: _by_contacts(phone=("phone_sub",)),
    Matching.PROFILE_ID: _by_profile_id,
    Matching.PUSH_SUB: _by_push,
    Matching.CUSTOM: _by_field,
    Matching.CUSTOM_SUB: _by_subscription_field,
    # The developer page's scope: profile fields only (contract 14, point 9).
    Matching.EMAIL_PHONE: _by_contacts(email=(EMAIL,), phone=(PHONE,)),
    Matching.EMAIL_PHONE_SUB: _by_contacts(email=("email_sub",), phone=("phone_sub",)),
}
