"""Versions of the libraries that make match keys: the next may make other keys."""

import unicodedata
from collections.abc import Mapping

import email_validator
import idna
import phonenumbers

#: Moves when our own rules for keys do (`contacts`, `fields.match_value`).
_RULES = "1"


def list_makers() -> dict[str, str]:
    """Return the version of each, by its name."""
    return {
        "phonenumbers": phonenumbers.__version__,
        "email-validator": email_validator.__version__,
        "idna": idna.__version__,
        "unicode": unicodedata.unidata_version,
        "rules": _RULES,
    }


def describe_makers(made_by: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Say in which versions `made_by` differs from `here`; empty if in none."""
    return ", ".join(
        f"{name} {made_by.get(name, 'unknown')} (here {version})"
        for name, version in here.items()
        if made_by.get(name) != version
    )
