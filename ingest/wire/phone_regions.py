"""The country of phones of tables that name none.

It is told, or that of the row, or of the database. A row's own country may be in a
column behind its phones: such phones wait until all cells of the row are read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ingest.domain.countries import find_country
from ingest.domain.errors import InvalidValue
from ingest.domain.phones import (
    is_international,
    parse_international,
    parse_regional,
    read_table_phone,
)


@dataclass(slots=True, kw_only=True)
class PhoneRegion:
    """The country in which phones without a country code are read."""

    #: For the whole file; before the country of the row.
    told: str | None = None
    #: Of the database, behind that of the row.
    default: str | None = None
    #: Whether rows have a country of their own, in a column.
    of_row: bool = False
    #: Whether a phone of the row that is being read waits.
    is_waiting: bool = False

    @property
    def waits(self) -> bool:
        """Whether phones wait for the country of their row."""
        return self.of_row and self.told is None

    def read(self, phone: str, *, coded: bool) -> str:
        """Return a phone as it is stored, or as it is where that has to wait.

        Raises InvalidValue where it would be stored as that of somebody else.
        """
        if coded or not self.waits or _names_country(phone):
            return _read(phone, self.told or self.default, self.default, coded=coded)
        self.is_waiting = True
        return phone

    def finish(self, data: dict[str, object]) -> None:
        """Read the phones that waited for the country of their row.

        Raises InvalidValue for one that is sure in no country, after the others.
        """
        self.is_waiting = False
        read = partial(
            _read, region=_find_region(data) or self.default, default=self.default
        )
        faults: list[InvalidValue] = []
        phones = data.get("phones")
        if isinstance(phones, list):
            _finish_phones(phones, read, faults)
            # An empty list would remove the phones of the profile.
            if faults and not phones:
                data.pop("phones")
        listed = data.get("subscriptions")
        if isinstance(listed, list):
            _finish_subscriptions(listed, read, faults)
            if not listed:
                data.pop("subscriptions")
        if faults:
            raise faults[0]


def _finish_phones(
    phones: list[object], read: Callable[[str], str], faults: list[InvalidValue]
) -> None:
    found: list[object] = []
    for phone in phones:
        one = _read_waiting(phone, read, faults)
        if one is not None and one not in found:
            found.append(one)
    phones[:] = found


def _finish_subscriptions(
    listed: list[dict[str, object]],
    read: Callable[[str], str],
    faults: list[InvalidValue],
) -> None:
    for one in listed:
        if "phone" in one:
            one["phone"] = _read_waiting(one["phone"], read, faults)
    listed[:] = [one for one in listed if one.get("phone", "") is not None]


def _names_country(phone: str) -> bool:
    try:
        return is_international(phone)
    except InvalidValue:
        return True


def _read(
    phone: str, region: str | None, default: str | None, *, coded: bool = False
) -> str:
    """Return a phone as it is stored; as it is, if the input refuses it anyway."""
    try:
        return read_table_phone(phone, region, coded=coded)
    except InvalidValue:
        if _is_taken(phone, default):
            raise
    return phone


def _is_taken(phone: str, region: str | None) -> bool:
    """Say whether an import would store a phone, as that of whatever country."""
    try:
        parse_regional(region + phone) if region else parse_international(phone)
    except InvalidValue:
        return False
    return True


def _read_waiting(
    phone: object, read: Callable[[str], str], faults: list[InvalidValue]
) -> object:
    """Return a phone as it is stored; None for one that is added to `faults`."""
    if not isinstance(phone, str) or phone.startswith("+"):
        return phone
    try:
        return read(phone)
    except InvalidValue as error:
        faults.append(error)
    return None


def _find_region(data: Mapping[str, object]) -> str | None:
    country = data.get("_country")
    if not isinstance(country, str):
        return None
    try:
        return find_country(country)
    except InvalidValue:
        return None
