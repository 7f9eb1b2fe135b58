"""What a Content-Type says of a body, and the encodings that texts may be in."""

import codecs
import re
from contextlib import suppress

from ingest.domain.errors import InvalidRequest

#: Codecs that make text of bytes. Python has others, for host names, for escapes in
#: source code and for bytes in bytes, and UTF-7, which says one text in many ways.
CHARSETS = tuple(
    """
    ascii big5 big5hkscs cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253
    cp1254 cp1255 cp1256 cp1257 cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850
    cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874
    cp875 cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk
    hp-roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3
    iso2022_jp_ext iso2022_kr iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5
    iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14
    iso8859-15 iso8859-16 johab koi8-r koi8-t koi8-u kz1048 mac-arabic mac-croatian
    mac-cyrillic mac-farsi mac-greek mac-iceland mac-latin2 mac-roman mac-romanian
    mac-turkish ptcp154 shift_jis shift_jis_2004 shift_jisx0213 tis-620 utf-8 utf-8-sig
    utf-16 utf-16-be utf-16-le utf-32 utf-32-be utf-32-le
    """.split()  # noqa: SIM905 (a table)
)
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
    with suppress(LookupError, ValueError):
        codec = codecs.lookup(name).name
        if codec in CHARSETS:
            return codec
    known = ", ".join(CHARSETS)
    raise InvalidRequest(
        f"No encoding is called {name[:100]!r}; allowed are {known}", path
    )
