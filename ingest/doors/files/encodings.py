"""Bytes of files to text, in whatever encoding they are."""

import codecs
import io
from dataclasses import dataclass

import charset_normalizer

from ingest.doors.files.archives import UnreadableFile
from ingest.doors.files.streams import Readable, peek

#: How much of a file is looked at to tell what it is.
SAMPLE_BYTES = 1024 * 1024
#: Lines with other than ASCII that a guess is made by: more make it no better.
_GUESSED_LINES = 500

#: The longer first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A file as text."""

    #: Bytes that are no text in the encoding come as lone surrogates (PEP 383).
    stream: io.TextIOWrapper
    encoding: str
    #: The beginning, for whoever has to tell what is in it.
    sample: str
    #: Whether the sample is all there is.
    is_whole: bool


def open_text(
    stream: Readable, declared: str | None = None, *, live: bool = False
) -> Text:
    """Read `stream` as text: as marked, else as declared, else as it looks.

    Of a `live` stream only what has come is looked at. Raises UnreadableFile for an
    encoding that is unknown or cannot be told.
    """
    head, whole = peek(stream, SAMPLE_BYTES, live=live)
    encoding = _find_mark(head) or _check(declared) or _guess(head)
    sample = codecs.getincrementaldecoder(encoding)("surrogateescape").decode(head)
    text = io.TextIOWrapper(
        whole, encoding, errors="surrogateescape", newline="", line_buffering=False
    )
    return Text(
        stream=text,
        encoding=encoding,
        sample=sample,
        is_whole=len(head) < SAMPLE_BYTES and not live,
    )


def _find_mark(head: bytes) -> str | None:
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def _check(declared: str | None) -> str | None:
    """Return the codec of a declared encoding."""
    if declared is None:
        return None
    try:
        # Of codecs there are some that make no text, and this refuses them.
        "".encode(declared)
    except LookupError as error:
        raise UnreadableFile(
            f"No encoding is called {declared!r}; name one, such as cp1251 or utf-8"
        ) from error
    return codecs.lookup(declared).name


def _guess(head: bytes) -> str:
    try:
        # What the sample cuts in two is not looked at.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    best = charset_normalizer.from_bytes(b"".join(lines[:_GUESSED_LINES])).best()
    if best is None:
        raise UnreadableFile(
            "The encoding of the file cannot be told; name it, such as cp1251"
        )
    return codecs.lookup(best.encoding).name
