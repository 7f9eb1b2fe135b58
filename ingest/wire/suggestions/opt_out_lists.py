"""Lists of people who cannot be written to any more, known by their names."""

import re
from collections.abc import Set
from pathlib import PurePath

from ingest.wire.suggestions.vocabulary import normalize

#: Names of lists of people who cannot be written to any more, and what they are.
_LIST_NAMES = (
    (re.compile(r"bounce|invalid"), "hardbounced"),
    (re.compile(r"spam|complain|abuse"), "complained"),
    (
        re.compile(
            r"unsub|\bopt(?:ed)? ?outs?\b|suppress|blacklist|blocklist|отпис|черн"
            r"|abmeld|desabonn|\bbajas?\b|do not (?:mail|email|contact)"
        ),
        "unsubscribed",
    ),
)
#: Columns of a list that has a reason and no names.
_LIST_COLUMNS = 5


def find_list_status(file_name: str, forms: Set[str]) -> str:
    """Return the status of a list of opt-outs, by its name or its few columns.

    Empty for any other file.
    """
    name = normalize(PurePath(file_name).stem)
    for stems, status in _LIST_NAMES:
        if stems.search(name):
            return status
    is_list = "reason" in forms and len(forms) <= _LIST_COLUMNS
    return "hardbounced" if is_list else ""
