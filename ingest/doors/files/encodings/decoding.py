"""Text of files: as marked, as requested, or UTF-8; never a silent guess."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.encodings.alphabets import rank
from ingest.doors.files.encodings.utf8_lines import Tally
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.streams import Readable, peek
from ingest.wire.charsets import check_charset

#: How much of a file is looked at to tell what it is.
SAMPLE_BYTES = 1024 * 1024
#: What asks for a guess, where an encoding is named.
GUESS = "guess"

#: The longer first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: How a file of rejects says in its header what it is encoded in.
_OWN_MARK = re.compile(rb"penstock_encoding=([\w.-]+)")
#: In how many encodings a line is shown, and how much of it.
_SHOWN = 4
_SHOWN_CHARACTERS = 30
#: How much is looked at for what could be taken for ASCII.
_LOOKED_BYTES = 4096
#: All that come before the tab.
_CONTROLS = tuple(bytes([code]) for code in range(9))
#: How Japanese in seven bits begins, which is ASCII to look at.
_ESCAPES = (b"\x1b$B", b"\x1b$@")


class EncodingSource(StrEnum):
    """Why a file is read in its encoding."""

    MARK = "mark"
    TOLD = "told"
    DEFAULT = "default"
    GUESS = "guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A file as text."""

    #: Bytes that are no text in the encoding come as lone surrogates (PEP 383).
    stream: io.TextIOWrapper
    encoding: str
    source: EncodingSource
    #: The beginning, for whoever has to tell what is in it.
    sample: str
    #: Whether the sample is all there is.
    is_whole: bool


class _CheckedText(io.TextIOWrapper):
    """Text that raises UnreadableFile for bytes that cannot even be passed through.

    In encodings of more than one byte a unit some cannot: no surrogate stands for them.
    """

    def read(self, size: int | None = -1, /) -> str:
        """Read `size` characters."""
        try:
            return super().read(size)
        except UnicodeError as error:
            raise _refuse(self.encoding, error) from error

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Read a line, or `size` characters of it."""
        try:
            return super().readline(size)
        except UnicodeError as error:
            raise _refuse(self.encoding, error) from error


def _refuse(encoding: str, error: UnicodeError) -> UnreadableFile:
    reason = getattr(error, "reason", str(error))
    return UnreadableFile(
        f"The file is not in the encoding {encoding} ({reason}). Name its encoding"
    )


def open_text(
    stream: Readable,
    told: str | None = None,
    *,
    live: bool = False,
    tally: Tally | None = None,
) -> Text:
    """Read `stream` as text: as marked, else as requested, else as UTF-8.

    `tally` is of the whole file, where it was read before; else its beginning tells.
    Of a `live` stream only what has come is looked at. Raises UnreadableFile for an
    encoding that is unknown, and for a file that is not UTF-8 where none is told.
    """
    head, whole = peek(stream, SAMPLE_BYTES, live=live)
    encoding, source = _choose(head, told, tally, is_cut=live)
    try:
        sample = codecs.getincrementaldecoder(encoding)("surrogateescape").decode(head)
    except UnicodeError as error:
        raise _refuse(encoding, error) from error
    text = _CheckedText(
        whole, encoding, errors="surrogateescape", newline="", line_buffering=False
    )
    return Text(
        stream=text,
        encoding=encoding,
        source=source,
        sample=sample,
        is_whole=len(head) < SAMPLE_BYTES and not live,
    )


def _check(told: str) -> str:
    try:
        return check_charset(told, "encoding")
    except InvalidRequest as error:
        raise UnreadableFile(error.faults) from error


def _find_known(head: bytes, told: str | None) -> tuple[str, EncodingSource] | None:
    """Return what a file is marked as, else what is told; None for neither."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, EncodingSource.MARK
    if told:
        return _settle(_check(told), head), EncodingSource.TOLD
    if marked := _OWN_MARK.search(head[:_LOOKED_BYTES].replace(b"\0", b"")):
        return _check(marked[1].decode()), EncodingSource.MARK
    return None


def _choose(
    head: bytes, told: str | None, tally: Tally | None, *, is_cut: bool
) -> tuple[str, EncodingSource]:
    guess = (told or "").strip().lower() == GUESS
    if known := _find_known(head, None if guess else told):
        return known
    if tally is None:
        tally = Tally()
        tally.feed(head)
        tally.end(is_cut=is_cut or len(head) == SAMPLE_BYTES)
    disguised = _find_disguised(head)
    if disguised is None and _is_binary(head):
        raise UnreadableFile(
            "The file is not text; it contains many control characters"
        )
    if disguised is None and tally.is_utf8:
        return "utf-8", EncodingSource.DEFAULT
    choices = [disguised] if disguised else [one.encoding for one in rank(tally.lines)]
    if guess and choices:
        return codecs.lookup(choices[0]).name, EncodingSource.GUESS
    raise UnreadableFile(_explain(disguised, tally, choices))


def _settle(told: str, head: bytes) -> str:
    """Return an encoding that is told, with the order of its bytes (RFC 2781).

    Raises UnreadableFile for a file that neither begins with a mark nor shows it.
    """
    if told not in {"utf-16", "utf-32"}:
        return told
    found = _find_disguised(head) or ""
    if found.startswith(told):
        return found
    raise UnreadableFile(
        f"The file has no byte order mark, so it may not be {told}. If it is, name it "
        f"{told}-le or {told}-be"
    )


def _find_disguised(head: bytes) -> str | None:
    """Return an encoding without a mark whose bytes could be taken for ASCII."""
    start = head[:_LOOKED_BYTES]
    if any(escape in start for escape in _ESCAPES):
        return "iso2022_jp"
    places = len(start) // 2
    low, high = start[0::2].count(0), start[1::2].count(0)
    if places > 1 and max(low, high) > places // 2 > min(low, high):
        return "utf-16-be" if low > high else "utf-16-le"
    return None


def _is_binary(head: bytes) -> bool:
    """Say whether a file begins with many bytes that stand in no text."""
    start = head[:_LOOKED_BYTES]
    return sum(map(start.count, _CONTROLS)) * 10 > len(start)


def _explain(disguised: str | None, tally: Tally, choices: list[str]) -> str:
    """Say what the file is not, what it may be, and how to say what it is."""
    if disguised:
        return (
            f"The file looks like {disguised} without a byte order mark. If it is, "
            f"name it: {_say_option(disguised)}"
        )
    shown = list(_show(tally.lines[0], choices))
    readings = " · ".join(f"`{text}` in {encoding}" for encoding, text in shown)
    example = shown[0][0] if shown else "cp1252"
    return (
        f"The file is not UTF-8 ({tally.bad:,} of {tally.good + tally.bad:,} lines "
        "with non-ASCII characters are invalid), and does not name its encoding. Line "
        f"{tally.first} reads as {readings or 'text in no known encoding'}. To name "
        f"the encoding: {_say_option(example)}; to use the most likely one: "
        f"{_say_option(GUESS)}"
    )


def _say_option(encoding: str) -> str:
    return f"--encoding {encoding} (over HTTP, encoding={encoding})"


def _show(line: bytes, encodings: list[str]) -> Iterator[tuple[str, str]]:
    """Yield a line as it reads in a few of `encodings`, each in another way."""
    seen: set[str] = set()
    for encoding in encodings:
        text = _excerpt(line.decode(encoding, "replace"))
        if text in seen or not text.isprintable():
            continue
        seen.add(text)
        yield encoding, text
        if len(seen) == _SHOWN:
            return


def _excerpt(text: str) -> str:
    """Return what stands around the first letter that is not ASCII."""
    text = " ".join(text.split())
    place = next((at for at, one in enumerate(text) if not one.isascii()), 0)
    start = max(0, place - _SHOWN_CHARACTERS)
    return text[start : place + _SHOWN_CHARACTERS]
