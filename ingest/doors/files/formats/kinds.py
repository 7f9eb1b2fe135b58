"""Kinds of files other than tables and JSON, by their first bytes."""

import re
from collections.abc import Iterable

#: How much of a file tells.
_HEAD_BYTES = 1024
#: Workbooks of Excel before 2007, and whatever else is stored in that container.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_SAVE = "open it in a spreadsheet and save it as CSV or .xlsx"
_UNPACK = "unpack it first"
_EXPORT = "export the contacts as CSV instead"
#: How a file begins, what it is, and what to do about it.
_BINARY = (
    (b"%PDF-", "a PDF document", "export its content as CSV"),
    (b"\x89PNG\r\n", "an image (PNG)", ""),
    (b"\xff\xd8\xff", "an image (JPEG)", ""),
    (b"GIF8", "an image (GIF)", ""),
    (b"II*\0", "an image (TIFF)", ""),
    (b"MM\0*", "an image (TIFF)", ""),
    (b"RIFF", "an image, video, or audio file", ""),
    (b"BM", "an image (BMP)", ""),
    (b"\0\0\x01\0", "an image (icon)", ""),
    (b"\x1f\x9d", "an archive (compress)", _UNPACK),
    (b"BZh", "an archive (bzip2)", _UNPACK),
    (b"\xfd7zXZ\0", "an archive (xz)", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7-Zip)", _UNPACK),
    (b"Rar!\x1a\x07", "an archive (RAR)", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "an archive (Zstandard)", _UNPACK),
    (b"SQLite format 3\0", "a database (SQLite)", "export its table as CSV"),
    (b"PAR1", "a Parquet table", "save it as CSV"),
    (b"ARROW1", "an Arrow table", "save it as CSV"),
    (b"ORC", "an ORC table", "save it as CSV"),
    (b"Obj\x01", "an Avro table", "save it as CSV"),
    (b"!BDN", "an Outlook mailbox (.pst)", _EXPORT),
    (b"bplist", "a property list", ""),
    (b"\x7fELF", "a program", ""),
    (b"MZ", "a program", ""),
    (b"{\\rtf", "an RTF document", _SAVE),
)
#: How tables of dBase and FoxPro begin, and what stands in their headers: the day of
#: the last change, and a length that goes on in steps of 32.
_DBASE = frozenset(b"\x02\x03\x04\x05\x30\x31\x32\x43\x83\x8b\xf5\xfb")
#: The same for text, whatever stands before it: marks, blanks, comments.
_TEXT = (
    (r"BEGIN:VCALENDAR", "a calendar", ""),
    (
        r"<\?xml.{0,600}?urn:schemas-microsoft-com:office:spreadsheet",
        "a workbook in the Excel 2003 XML format",
        _SAVE,
    ),
    (
        r"<\?xml\b|<[a-z][\w:.-]*(?:\s[^,;\n]*)?/?>\s*<",
        "an XML document",
        "save it as CSV or NDJSON",
    ),
    (r"(?:version: 1\s+)?dn:\s", "an LDIF directory", _EXPORT),
    (r"From \S+@\S+ ", "a mailbox", _EXPORT),
    (
        r"(?:--[^\n]*\n\s*|/\*.*?\*/;?\s*)*(?:INSERT\s+INTO|CREATE\s+TABLE|SET\s+NAMES)\b",
        "an SQL dump",
        "export the table as CSV",
    ),
    (r"%!PS", "a PostScript document", ""),
)
_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kind, advice)
    for pattern, kind, advice in _TEXT
)
_CARD = re.compile(r"BEGIN:VCARD\b", re.IGNORECASE)
_WEB_PAGE = re.compile(
    r"(?:<!--.*?-->\s*|<\?xml.{0,200}?\?>\s*)*<(?:!DOCTYPE\s+html|html|head|body"
    r"|table|meta|script|style|div|title)\b",
    re.IGNORECASE | re.DOTALL,
)
#: What zip files are that hold these, beside Microsoft's list of contents or not.
_OFFICE = (("word/", "a Word document"), ("ppt/", "a presentation"))
_PACKAGES = (
    ("META-INF/container.xml", "an e-book"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
    ("Index/Document.iwa", "an Apple Numbers, Pages, or Keynote document"),
)
#: Of OpenDocument, by its `mimetype`, which comes first and is not packed.
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument."
_OPEN_KINDS = {b"text": "a text document (.odt)", b"pres": "a presentation (.odp)"}


def is_workbook(head: bytes) -> bool:
    """Say whether a file that begins so is to be read as a workbook."""
    return head.startswith((_OLE, b"PK\x03\x04"))


def has_cards(head: bytes) -> bool:
    """Say whether a file that begins so has vCards."""
    return _CARD.match(_begin(head)) is not None


def is_web_page(head: bytes) -> bool:
    """Say whether a file that begins so is a web page, whatever it is named."""
    return _WEB_PAGE.match(_begin(head)) is not None


#: One of these comes first in a workbook.
_WORKBOOK_PARTS = (b"[Content_Types].xml", b"_rels/.rels", b"xl/", b"docProps/")


def looks_like_workbook(head: bytes) -> bool:
    """Say whether a zip file in an archive begins like a workbook."""
    return is_workbook(head) and (
        any(name in head for name in _WORKBOOK_PARTS)
        or _OPEN_DOCUMENT + b"spreadsheet" in head
    )


def name_kind(head: bytes) -> str:
    """Return what a file is that cannot be read, and what to do; empty if it may be."""
    head = head[:_HEAD_BYTES]
    for start, kind, advice in _BINARY:
        if head.startswith(start) and (len(start) > 3 or _is_binary(head)):
            return _say(kind, advice)
    if found := _name_by_place(head):
        return _say(*found)
    text = _begin(head)
    for pattern, kind, advice in _TEXTS:
        if pattern.match(text):
            return _say(kind, advice)
    return ""


def name_zipped(names: Iterable[str], head: bytes) -> str | None:
    """Return what a zip file is; empty for a workbook, None for an archive."""
    if (place := head.find(_OPEN_DOCUMENT)) >= 0:
        start = place + len(_OPEN_DOCUMENT)
        kind = _OPEN_KINDS.get(head[start : start + 4])
        return _say(kind, "save its content as CSV") if kind else ""
    listed = list(names)
    is_office = "[Content_Types].xml" in listed
    if is_office and any(name.startswith("xl/") for name in listed):
        return ""
    for part, kind in (*_PACKAGES, *(_OFFICE if is_office else ())):
        if any(name.startswith(part) for name in listed):
            return _say(kind, "save its content as CSV or .xlsx")
    return None


def _say(kind: str, advice: str) -> str:
    return f"The file is {kind}" + (f"; {advice}" if advice else ", not a table")


def _name_by_place(head: bytes) -> tuple[str, str] | None:
    """Return what a file is by what stands further on, and what to do about it."""
    if head[257:262] == b"ustar":
        return "an archive (tar)", _UNPACK
    if _is_dbase(head):
        return "a dBase table (.dbf)", _SAVE
    if head[4:8] == b"ftyp":
        return "an image or a video", ""
    return None


def _is_dbase(head: bytes) -> bool:
    return (
        len(head) >= 32
        and head[0] in _DBASE
        and 1 <= head[2] <= 12
        and 1 <= head[3] <= 31
        and head[8] % 32 in (1, 8)
        and 0 in head[12:32]
    )


def _is_binary(head: bytes) -> bool:
    return any(byte < 9 for byte in head[:64])


def _begin(head: bytes) -> str:
    """Return how the text of a file begins."""
    return _decode(head[:_HEAD_BYTES]).lstrip("\ufeff \t\r\n")


def _decode(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) & ~1].decode("utf-16", "replace")
    return head.decode("utf-8-sig", "replace")
