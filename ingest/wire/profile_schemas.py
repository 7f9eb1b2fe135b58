"""Imports read and checked against the catalog: every value, the key, the segments."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ingest.domain import geo, matching, merge, precedence, subscriptions
from ingest.domain.bases import find_ahead
from ingest.domain.batches import Prepared
from ingest.domain.catalog import Catalog, Database
from ingest.domain.drafts import Draft, read_phones
from ingest.domain.errors import Fault, InvalidValue, NotFound, Rejected
from ingest.domain.imports import Import, SubscriptionChange
from ingest.domain.lookups import NO_SEARCH
from ingest.domain.phones import find_doubt, is_sure
from ingest.wire.data_schemas import DataSchema
from ingest.wire.queries import load_selected_change

#: What the receipt says of an address that could not be looked up.
_NO_GEO_DATABASE = Fault(
    code=404,
    message="No location was added (the setting GEOIP_DATABASE is empty)",
    path="detect_geo",
)


class ProfileSchemas:
    """Prepares imports against one version of the catalog.

    `locate` tells where an IP is, for imports that ask for it; None: nobody knows.
    """

    def __init__(self, catalog: Catalog, locate: geo.Locate | None = None) -> None:
        self.catalog = catalog
        self._locate = locate
        self._schemas: dict[int, DataSchema] = {}

    def prepare(self, import_: Import) -> Prepared:
        """Read every value of `import_`; faults are returned, not raised.

        All faults are found at once: the key's, the fields', the subscriptions' and
        the segments'.
        """
        database = self.catalog.databases.get(import_.database_id)
        if database is None:
            unknown = NotFound("Database not found", "db_id")
            return Prepared(import_=import_, faults=unknown.faults)
        faults: list[Fault] = []
        dropped: list[Fault] | None = [] if import_.skip_invalid_fields else None
        change = import_.subscription_change
        if change is None:
            draft = self._load(import_, database, faults, dropped)
        else:
            draft = self._load_change(change, import_.data, database, faults)
        faults.extend(precedence.check_moments(import_, draft, database))
        faults.extend(_check_bases(import_, draft))
        if import_.add_to_segments or import_.remove_from_segments:
            faults.extend(merge.check_segments(import_, self.catalog))
        search = NO_SEARCH
        try:
            search = matching.build_search(import_, self.catalog)
        except Rejected as error:
            known = {fault.path for fault in faults}
            faults.extend(fault for fault in error.faults if fault.path not in known)
        if import_.detect_geo and not faults:
            # A profile stays where its key finds it.
            kept = () if search.field is None else search.field[:1]
            draft = self._locate_draft(draft, kept)
        doubts = () if faults else find_doubts(import_, draft, database)
        return Prepared(
            import_=import_,
            search=search,
            draft=draft,
            faults=tuple(faults),
            warnings=import_.warnings + doubts if doubts else import_.warnings,
        )

    def _load_change(
        self,
        change: SubscriptionChange,
        data: Mapping[str, object],
        database: Database,
        faults: list[Fault],
    ) -> Draft:
        """Return the draft that changes subscriptions; add what is wrong to `faults`.

        A mistaken resource must not pass for one without subscriptions.
        """
        try:
            selected = load_selected_change(change, data, database.phone_region)
            known = (None, *self.catalog.resources)
            if selected.contact is None and selected.resource_id not in known:
                raise NotFound("Resource not found", "resource_id")
        except Rejected as error:
            faults.extend(error.faults)
            return Draft()
        return Draft(change=selected)

    def _locate_draft(self, draft: Draft, kept: Sequence[str]) -> Draft:
        """Fill in where a draft's IPs are, or say that nobody knows."""
        if self._locate is not None:
            return replace(draft, located=geo.fill(draft.fields, self._locate, kept))
        if not geo.has_address(draft.fields):
            return draft
        return replace(draft, skipped=(*draft.skipped, _NO_GEO_DATABASE))

    def _load(
        self,
        import_: Import,
        database: Database,
        faults: list[Fault],
        dropped: list[Fault] | None,
    ) -> Draft:
        """Return the draft in `import_.data`; add what is wrong with it to `faults`.

        What is wrong and not needed goes to `dropped` instead, if there is such a list.
        """
        loaded, wrong = self._schema(database).read(import_.data)
        if wrong and dropped is not None:
            dropped[:], wrong = merge.split_optional(wrong, import_, database)
            _keep_phones(import_, database, loaded)
        faults.extend(wrong)
        listed = import_.data.get("subscriptions")
        drafts: tuple[subscriptions.SubscriptionDraft, ...] = ()
        skipped: tuple[Fault, ...] = ()
        if listed is not None:
            try:
                drafts, skipped = subscriptions.parse_all(
                    listed,
                    database,
                    self.catalog,
                    skip_invalid=import_.skip_invalid_subscriptions,
                )
            except Rejected as error:
                faults.extend(merge.prefixed(error.faults, "data."))
        return Draft(
            email=loaded.pop("email", None),
            phones=loaded.pop("phones", None),
            fields=loaded,
            subscriptions=drafts,
            skipped=(
                *import_.unread,
                *(dropped or ()),
                *merge.prefixed(skipped, "data."),
            ),
        )

    def _schema(self, database: Database) -> DataSchema:
        schema = self._schemas.get(database.id)
        if schema is None:
            schema = self._schemas[database.id] = DataSchema(database)
        return schema


def _check_bases(import_: Import, draft: Draft) -> list[Fault]:
    """Return a fault for each basis of a moment that is not yet there (C5)."""
    bases = [] if import_.consent is None else [("consent.time", import_.consent)]
    # Nearly all have none.
    for one in draft.subscriptions:
        if one.consent is not None:
            path = f"data.subscriptions[{one.index}].consent.time"
            bases.append((path, one.consent))
    return [
        Fault(code=400, message=message, path=path)
        for path, basis in bases
        if (message := find_ahead(basis, import_.accepted_at))
    ]


def _keep_phones(import_: Import, database: Database, loaded: dict[str, Any]) -> None:
    """Keep the phones that are right beside those that were dropped."""
    listed = import_.data.get("phones")
    if listed is not None and "phones" not in loaded:
        with suppress(Rejected):
            update, _ = read_phones(listed, database.phone_region)
            if update is not None:
                loaded["phones"] = update


def find_doubts(import_: Import, draft: Draft, database: Database) -> tuple[Fault, ...]:
    """Return a warning for each phone that no country has (contract 16.8)."""
    # Nearly all are sure at first sight, and every import comes by here.
    sent: list[tuple[object, str]] = []
    if import_.key.phone is not None and not is_sure(import_.key.phone):
        sent.append((import_.key.phone, "phone"))
    if draft.phones is not None and draft.phones.value:
        raw = import_.data["phones"]
        if not isinstance(raw, list) or not all(map(is_sure, raw)):
            sent += _sent_phones(raw)
    for one in draft.subscriptions:
        if one.phone is not None and not is_sure(one.phone):
            sent.append((one.phone, f"data.subscriptions[{one.index}].phone"))
    if not sent:
        return ()
    doubts = ((_doubt(raw, database), path) for raw, path in sent)
    return tuple(Fault(code=0, message=why, path=path) for why, path in doubts if why)


def _sent_phones(raw: object) -> list[tuple[object, str]]:
    """Return the phones of `data` with their paths, as they were sent."""
    if isinstance(raw, Mapping):
        raw = raw.get("value")
    if not isinstance(raw, list):
        return [(raw, "data.phones")]
    return [(one, f"data.phones[{index}]") for index, one in enumerate(raw)]


def _doubt(raw: object, database: Database) -> str:
    try:
        return find_doubt(raw, database.phone_region)
    except InvalidValue:
        return ""  # It was dropped, and the receipt says so.
