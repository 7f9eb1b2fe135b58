"""Parameters that promise that nothing will be written (contract 16.13).

Other parameters that nobody knows are ignored. To ignore one of these would be to write
where the caller was sure that nothing is: each is kept, or refused.
"""

from collections.abc import Iterator, Mapping

from marshmallow import ValidationError

from ingest.domain.errors import Fault, InvalidRequest
from ingest.wire.parameters import parse_flag

#: What asks for a dry run.
DRY_RUN = "dry_run"
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
    if faults := [_refuse(name) for name, _ in _find_promises(parameters)]:
        raise InvalidRequest(faults)


def asks_dry_run(parameters: Mapping[str, object]) -> bool:
    """Return whether `parameters` ask for a dry run.

    Raises InvalidRequest for a value that is neither yes nor no, and for a promise by
    another name.
    """
    asked, faults = False, []
    for name, value in _find_promises(parameters):
        if name != DRY_RUN:
            faults.append(_refuse(name))
            continue
        asked = True
        if value != "":
            try:
                parse_flag(value)
            except ValidationError as error:
                message = str(error.messages[0])
                faults.append(Fault(code=400, message=message, path=name))
    if faults:
        raise InvalidRequest(faults)
    return asked


def _find_promises(parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in parameters.items():
        if len(name) in _LENGTHS and is_promise(name, value):
            yield name, value


def _refuse(name: str) -> Fault:
    return Fault(code=400, message="Not supported", path=name)
