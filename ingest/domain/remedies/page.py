"""The page docs/errors.md."""

from collections.abc import Iterator
from pathlib import Path

from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.kinds import ErrorKind
from ingest.domain.remedies.table import SECTIONS

_INTRODUCTION = """\
# Errors

This page lists every error that a producer can meet, and what to do about it. It is
written from the code by `make docs`.

An application error is HTTP 200 with a non-zero `error`, as callers of this contract
expect. With `PENSTOCK_MIRROR_ERRORS=true`, `error` is also the HTTP status.
`error_text` is `<message>: <path>` of the first error; the receipt lists all errors.
Test `error`, or the `reason` in a receipt or a rejects file. Both are stable, while
messages may improve.

## Codes

| `error` | Meaning | HTTP | Remedy |
| --- | --- | --- | --- |
"""
_CONCLUSION = """\
## Notes

- Unknown parameters are ignored, except those that promise not to write, such as
  `dryRun` and `validate_only`: each is refused with `Not supported`, unless it is
  false. `dry_run` is [supported](identity.md#dry-run) by the requests that import, and
  refused elsewhere. To test a file without writing: `penstock import --dry-run`.
- A request can be refused before its body has arrived completely. Penstock then reads
  and discards the rest, for up to 30 seconds and up to 128 MiB (8 MiB of a chunked
  body). Clients that send everything first receive the response.
- An `Upgrade` to another protocol, such as h2c of Java's HttpClient and `curl --http2`,
  is ignored: the response is HTTP/1.1.
"""


def write_page() -> str:
    """Return the page."""
    codes = "".join(
        f"| {row.code} | {row.meaning} | {row.http} | {row.remedy} |\n"
        for row in ERRORS
    )
    reasons = "\n".join(_write_sections())
    return f"{_INTRODUCTION}{codes}\n{reasons}\n{_CONCLUSION}"


def _write_sections() -> Iterator[str]:
    for title, kinds in SECTIONS.items():
        yield f"## {title}\n\n| `reason` | `error` | Message | Remedy |"
        yield "| --- | --- | --- | --- |"
        yield from map(_write_row, kinds)
        yield ""


def _write_row(kind: ErrorKind) -> str:
    messages = "; ".join(
        f"`{sentence.replace('{}', '…')}`" for sentence in kind.sentences
    )
    return f"| `{kind.reason}` | {kind.code} | {messages} | {kind.remedy} |"


if __name__ == "__main__":
    Path("docs/errors.md").write_text(write_page())
