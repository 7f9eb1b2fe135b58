"""Documents of many imports to envelopes (contract 10.1 to 10.3)."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.declarations import list_names
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Level, Matching, Operation
from ingest.wire.envelopes import Envelope, find_slips, load_envelope, override
from ingest.wire.promises import refuse_promises

#: What a wrapped element may say for itself, instead of the request.
_OWN = frozenset(list_names(Level.ELEMENT))


class BatchRequest(Struct, frozen=True, kw_only=True):
    """A request whose own parameters are checked, and its elements as sent."""

    #: What holds for every element that does not say otherwise; its data is empty.
    shared: Envelope
    elements: Sequence[object]


def load_batch(
    document: Mapping[str, object], *, operation: Operation, max_elements: int
) -> BatchRequest:
    """Check everything but the elements; raise InvalidRequest.

    One object stands for an array of one, as XML writes it.
    """
    listed = document.get("data")
    shared = load_envelope(
        {**document, "data": None if listed is None else {}}, operation=operation
    )
    if isinstance(listed, dict):
        listed = [listed]
    elif listed == "":
        listed = []
    if not isinstance(listed, list):
        raise InvalidRequest("Must be a list", "data")
    if len(listed) > max_elements:
        raise InvalidRequest(f"Too many elements (at most {max_elements})", "data")
    by_lone_key = not document.get("matching")
    return BatchRequest(
        shared=replace(shared, by_lone_key=by_lone_key), elements=listed
    )


def load_element(shared: Envelope, element: object) -> Envelope:
    """Read one element, plain fields or `{"data": {fields}, key, …}`.

    An object called `data` is what tells the second form (contract 14, point 62).
    Paths of faults are those of an import of its own.
    """
    # An element without children, in XML.
    fields = {} if element == "" else element
    if not isinstance(fields, dict):
        raise InvalidRequest("Must be an object", "data")
    if len(fields) == 1 and isinstance(data := fields.get("data"), dict):
        # So is every row of a table: nothing else is there to be read.
        return _with_id(replace(shared, data=data, by_lone_key=False))
    if _is_wrapped(fields):
        refuse_promises(fields)
        own = {name: fields[name] for name in _OWN & fields.keys()}
        envelope = override(shared, own)
        if len(own) < len(fields) and (slips := find_slips(fields, _OWN)):
            envelope = replace(envelope, warnings=envelope.warnings + slips)
        return _with_id(envelope)
    return _with_id(replace(shared, data=fields, by_lone_key=False))


def _is_wrapped(element: Mapping[str, object]) -> bool:
    return isinstance(element.get("data"), dict) or element.get("data") == ""


def _with_id(envelope: Envelope) -> Envelope:
    """Take the profile's id from the fields, where it is no field (contract 3.3)."""
    if envelope.matching is not Matching.PROFILE_ID:
        return envelope
    data = dict(envelope.data)
    found = data.pop("profile_id", None) or data.get("id")
    key = envelope.key
    if key.profile_id is None and isinstance(found, str) and found:
        key = replace(key, profile_id=found)
    return replace(envelope, key=key, data=data)
