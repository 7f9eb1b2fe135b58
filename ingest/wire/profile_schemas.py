"""The `data` of an import, read by a schema built from the catalogue.

Building a schema costs a hundred times a load, so `ProfileSchemas` keeps one per
database and catalogue version.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields

from ingest.domain import geo, matching, merge, subscriptions, updates
from ingest.domain.batches import Prepared
from ingest.domain.catalog import Catalog, Database
from ingest.domain.contacts import normalize_email
from ingest.domain.drafts import Draft, parse_phones
from ingest.domain.errors import Fault, InvalidValue, NotFound, Rejected
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.domain.imports import Import
from ingest.domain.lookups import NO_SEARCH


class _ParsedField(fields.Field[Any]):
    """A field read by `parse`, which never sees an absent one or a null."""

    def __init__(self, parse: Callable[[Any], Any]) -> None:
        super().__init__(allow_none=True)
        self._parse = parse

    def deserialize(self, value: Any, *_: object, **__: object) -> Any:
        """Parse `value`, without the steps of marshmallow's that have nothing to do.

        They are half of the time that a profile takes to load.
        """
        if value is None:
            return None
        try:
            return self._parse(value)
        except InvalidValue as error:
            raise ValidationError(str(error)) from error
        except Rejected as error:
            raise ValidationError(list(error.faults)) from error


def _parse_email(value: object) -> str:
    """Read the profile's email: it can be set but not unset (contract 4.1, 14.36)."""
    if isinstance(value, dict):
        if value.get("action") != "set":
            raise InvalidValue("Email can only be set")
        value = value.get("value")
    return normalize_email(value)


class ProfileSchemas:
    """Prepares imports against one version of the catalogue.

    `locate` tells where an IP is, for imports that ask for it; None: nobody knows.
    """

    def __init__(self, catalog: Catalog, locate: geo.Locate | None = None) -> None:
        self.catalog = catalog
        self._locate = locate
        self._schemas: dict[int, Schema] = {}

    def prepare(self, import_: Import) -> Prepared:
        """Read every value of `import_`; faults are returned, not raised.

        All faults are found at once: the key's, the fields', the subscriptions' and
        the segments'.
        """
        database = self.catalog.databases.get(import_.database_id)
        if database is None:
            unknown = NotFound("Unknown database", "db_id")
            return Prepared(import_=import_, faults=unknown.faults)
        faults: list[Fault] = []
        draft = self._load(import_, database, faults)
        faults.extend(merge.check_segments(import_, self.catalog))
        search = NO_SEARCH
        try:
            search = matching.build_search(import_, self.catalog)
        except Rejected as error:
            known = {fault.path for fault in faults}
            faults.extend(fault for fault in error.faults if fault.path not in known)
        if import_.detect_geo and self._locate and not faults:
            # A profile stays where its key finds it.
            kept = () if search.field is None else search.field[:1]
            located = geo.fill(draft.fields, self._locate, kept)
            draft = replace(draft, located=located)
        return Prepared(
            import_=import_, search=search, draft=draft, faults=tuple(faults)
        )

    def _load(self, import_: Import, database: Database, faults: list[Fault]) -> Draft:
        """Return the draft in `import_.data`; add what is wrong with it to `faults`."""
        data = {
            name: value
            for name, value in import_.data.items()
            if name not in READ_ONLY_FIELDS and name != "subscriptions"
        }
        loaded: dict[str, Any] = {}
        try:
            loaded = self._schema(database).load(data)
        except ValidationError as error:
            faults.extend(_faults(error))
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
            fields={name: value for name, value in loaded.items() if value is not None},
            subscriptions=drafts,
            skipped=tuple(merge.prefixed(skipped, "data.")),
        )

    def _schema(self, database: Database) -> Schema:
        schema = self._schemas.get(database.id)
        if schema is None:
            schema = self._schemas[database.id] = build_schema(database)
        return schema


def build_schema(database: Database) -> Schema:
    """Return the schema of what `data` may hold in `database`, subscriptions apart.

    JSON null means no change (contract 14, point 19); an unknown field is an error
    unless the database says otherwise (17).
    """
    declared: dict[str, fields.Field[Any]] = {
        # A value or function for one field of the catalogue (contract sections 5, 9).
        field.name: _ParsedField(partial(updates.parse, field))
        for field in database.fields.values()
    }
    declared["email"] = _ParsedField(_parse_email)
    # Contract 14, points 28 and 29.
    declared["phones"] = _ParsedField(parse_phones)
    built = Schema.from_dict(declared, name=f"Profile{database.id}")
    return built(
        # Marshmallow then passes over what is absent, at no cost.
        partial=True,
        unknown=EXCLUDE if database.ignore_unknown_fields else RAISE,
    )


def _faults(error: ValidationError) -> list[Fault]:
    """Return marshmallow's messages as faults with their paths in the request."""
    return [
        _fault(f"data.{name}", message)
        for name, messages in error.messages_dict.items()
        for message in messages
    ]


def _fault(path: str, message: str | Fault) -> Fault:
    if isinstance(message, Fault):
        return Fault(code=400, message=message.message, path=path + message.path)
    return Fault(code=400, message=message.removesuffix("."), path=path)
