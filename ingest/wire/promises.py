"""Parameters that promise that nothing will be written (contract 16.13).

Other parameters that nobody knows are ignored. To ignore one of these would be to write
where the caller was sure that nothing is: each is refused, until it is built.
"""

from collections.abc import Mapping

from marshmallow import ValidationError

from ingest.domain.errors import Fault, InvalidRequest
from ingest.wire.parameters import parse_flag

#: As they are called here and elsewhere, without what parts their words.
_PROMISES = frozenset({"dryrun", "validateonly"})
#: The lengths of names that are worth a closer look: all others cost no more than this.
_LENGTHS = frozenset({6, 7, 11, 12, 13})


def is_promise(name: object, value: object) -> bool:
    """Say whether `name` promises not to write, and `value` does not say no to it.

    An empty value keeps the promise, as in `?dry_run`; a null is none at all.
    """
    if not isinstance(name, str) or len(name) not in _LENGTHS or value is None:
        return False
    if name.lower().replace("_", "").replace("-", "") not in _PROMISES:
        return False
    try:
        return parse_flag(value)
    except ValidationError:
        return True


def refuse_promises(parameters: Mapping[str, object]) -> None:
    """Raise InvalidRequest if one of `parameters` promises that nothing is written."""
    faults = [
        Fault(code=400, message="Not supported", path=name)
        for name, value in parameters.items()
        if len(name) in _LENGTHS and is_promise(name, value)
    ]
    if faults:
        raise InvalidRequest(faults)
