"""Formats of texts: a table, documents a line, or an array of them."""

import re

#: What each format is called by an upload.
_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
}
_NAMES = {
    "csv": "a table",
    "ndjson": "one JSON document per line",
    "json": "a JSON array",
}
#: A column may be called `[email]`, as databases quote names: this is no header.
_JSON = re.compile(r"\s*(?:\[\s*\{|\{\s*\")")
#: A document that goes on in the next line, as programs write it for people.
_SPREAD = re.compile(r"""\{[ \t]*(?:"[^"\n]*"[ \t]*:[^\n]*[,\[{][ \t]*)?\r?\n\s*["}]""")
#: What holds rows, and holds them in one of its members.
_WRAPPER = re.compile(r"""\{\s*(?:"\w+"\s*:\s*[\w".+-]+\s*,\s*)*"data"\s*:\s*\[\s*\{""")


def guess_format(sample: str) -> str:
    """Tell JSON by how `sample`, the beginning, begins; all else is a table."""
    start = _begin(sample)[:1]
    return {"[": "json", "{": "ndjson"}.get(start, "csv")


def find_format_fault(format_: str, looks: str, sample: str) -> str:
    """Return why a text cannot be read as `format_`; empty if nothing speaks against.

    `looks` is what it looks like.
    """
    start = _begin(sample)
    if format_ == "ndjson" and _WRAPPER.match(start):
        return (
            "The rows are in the member `data` of one document. Save only that list "
            "as the file: [{…}, {…}]"
        )
    if format_ == "ndjson" and _SPREAD.match(start):
        return (
            "The file is one JSON document over several lines. Write one document per "
            "line, or a list: [{…}, {…}]"
        )
    if not start or format_ == looks or (format_ == "csv" and not _JSON.match(start)):
        return ""
    return (
        f"The file is not {_NAMES[format_]}; it looks like {_NAMES[looks]}: --format"
        f" {looks} (over HTTP, a Content-Type of {_TYPES[looks]})"
    )


def _begin(sample: str) -> str:
    return sample.lstrip("\ufeff \t\r\n")
