"""Content types of bodies, and encodings of texts."""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress

from ingest.domain.errors import InvalidRequest
from ingest.domain.names import suggest

#: Codecs that make text of bytes. Python has others, for host names, for escapes in
#: source code and for bytes in bytes, and UTF-7, which says one text in many ways.
CHARSETS = tuple(
    """
    ascii big5 big5hkscs cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253
    cp1254 cp1255 cp1256 cp1257 cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850
    cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874
    cp875 cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk
    hp-roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3
    iso2022_jp_ext iso2022_kr iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6
    iso8859-7 iso8859-8 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16 johab
    koi8-r koi8-t koi8-u kz1048 mac-arabic mac-croatian mac-cyrillic mac-farsi mac-greek
    mac-iceland mac-latin2 mac-roman mac-romanian mac-turkish ptcp154 shift_jis
    shift_jis_2004 shift_jisx0213 tis-620 utf-8 utf-8-sig utf-16 utf-16-be utf-16-le
    utf-32 utf-32-be utf-32-le
    """.split()  # noqa: SIM905 (a table)
)
#: Who names these means another, which has `€` and quotation marks where they have
#: characters that nobody writes (the Encoding Standard of the Web).
_MEANT = {"iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874"}
#: What else programs call some of them, without what parts the words.
_ALIASES = {
    "utf8bom": "utf-8-sig",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-16",
    "ucs2": "utf-16",
    "macintosh": "mac-roman",
    "xmacroman": "mac-roman",
    "xmaccyrillic": "mac-cyrillic",
}
_SEPARATORS = re.compile("[-_ ]")
#: `win1251` and the like, for code page 1251.
_PAGE = re.compile("(?:x|cs)?(?:windows|win|ms|ansi|ibm|dos|oem|cp)?([0-9]{3,4})")
_KNOWN = {_SEPARATORS.sub("", name): name for name in CHARSETS} | _ALIASES
#: Longer, it is no name, and comparing it takes its time.
_MAX_NAME = 40
_CHARSET = re.compile(
    r""";\s*charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;]*))""", re.IGNORECASE
)


def find_media_type(content_type: str | None) -> str:
    """Return a Content-Type without its parameters, in lower case; empty for none."""
    return (content_type or "").partition(";")[0].strip().lower()


def find_charset(content_type: str | None) -> str | None:
    """Return the `charset` of a Content-Type, if it names one."""
    found = _CHARSET.search(content_type or "")
    return next(filter(None, found.groups()), None) if found else None


def check_charset(name: str, path: str = "Content-Type") -> str:
    """Return the codec of an encoding; raise InvalidRequest for one of no text."""
    for spelling in _spell(name):
        with suppress(LookupError, ValueError):
            codec = codecs.lookup(spelling).name
            if (codec := _MEANT.get(codec, codec)) in CHARSETS:
                return codec
    known = ", ".join(CHARSETS)
    raise InvalidRequest(
        f"Unknown encoding {name[:100]!r}{_hint(name)} (one of {known})", path
    )


def _spell(name: str) -> Iterator[str]:
    """Yield the spellings of a name under which Python may know the encoding."""
    yield name
    if len(name) > _MAX_NAME:
        return
    plain = _SEPARATORS.sub("", name.lower())
    page = _PAGE.fullmatch(plain)
    yield f"cp{page[1]}" if page else _KNOWN.get(plain, plain)


def _hint(name: str) -> str:
    if name.strip().lower() == "ansi":
        return (
            " (it is cp1252 in Western Europe, cp1250 in Central Europe, cp1251 where"
            " Cyrillic is written)"
        )
    return suggest(name, CHARSETS)
