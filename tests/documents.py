"""Requests as documents, written in JSON or XML and read as a door does."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from lxml import etree
from uuid_utils.compat import uuid7

from ingest.domain.imports import Import, Outcome, SubscriptionChange
from ingest.store.catalog.load import load_catalog
from ingest.wire.bodies import Format, decode
from ingest.wire.envelopes import load_envelope, to_import
from ingest.wire.limits import Limits
from ingest.wire.single_changes import load_subscription_change
from tests.pipeline import Pipeline


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _append(parent: etree._Element, name: str, value: object) -> None:
    listed = value if isinstance(value, list) else [value]
    for index, item in enumerate(listed or [""]):
        child = etree.SubElement(parent, name)
        if isinstance(value, list) and index == 0:
            child.set("array", "true")
        if isinstance(item, Mapping):
            for key, member in item.items():
                _append(child, key, member)
        else:
            child.text = _text(item)


def write_xml(document: Mapping[str, object]) -> bytes:
    """Write `document` by the conventions of contract section 11."""
    root = etree.Element("xml")
    for name, value in document.items():
        _append(root, name, value)
    return etree.tostring(root, encoding="utf-8")


def write(document: Mapping[str, object], format_: Format) -> bytes:
    return write_xml(document) if format_ is Format.XML else orjson.dumps(document)


def read_import(body: bytes, format_: Format) -> Import:
    """Read an import as the HTTP door does."""
    _, document = decode(body, f"application/{format_.value}", limits=Limits(depth=64))
    return to_import(
        load_envelope(document),
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=None,
    )


def make_sent(
    format_: Format, data: Mapping[str, object], **parameters: object
) -> Import:
    """Return the import of database 1 that a request in `format_` makes."""
    key = {} if "matching" in parameters else {"email": "ann@example.com"}
    document = {"db_id": 1, **key, **parameters, "data": data}
    return read_import(write(document, format_), format_)


def send(
    pipeline: Pipeline,
    format_: Format,
    data: Mapping[str, object],
    **parameters: object,
) -> Outcome:
    """Import `data`, for ann@example.com unless `parameters` say otherwise."""
    (outcome,) = pipeline.apply(make_sent(format_, data, **parameters))
    return outcome


def fields_of(pipeline: Pipeline, outcome: Outcome) -> dict[str, Any]:
    """Return the stored fields of the profile that came out."""
    assert outcome.error == 0, outcome.error_text
    fields: dict[str, Any] = pipeline.profile(str(outcome.profile_id))["fields"]
    return fields


def change(
    pipeline: Pipeline, change: SubscriptionChange, profile_id: str, **sent: object
) -> Outcome:
    """Apply a change of subscriptions as its request asks for it."""
    document = {"db_id": 1, "profile_id": profile_id, **sent}
    catalog = load_catalog(pipeline.connection)
    envelope = load_subscription_change(
        document, change=change, get_catalog=lambda: catalog
    )
    (outcome,) = pipeline.apply(
        to_import(
            envelope,
            import_id=uuid7(),
            accepted_at=datetime.now(UTC),
            door="http",
            token_id=None,
        )
    )
    return outcome
