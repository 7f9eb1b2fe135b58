"""In which encodings bytes may be text, the likeliest first.

The likeliest is the one in which the most lines are spelt with the letters of one
language. That is evidence to show to whoever knows, not proof.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import charset_normalizer

_WEST = (
    "éóíáñúü",  # Spanish
    "ãçéáíóêõúâàôü",  # Portuguese
    "éèçêëàïôîûœùâüæÿ",  # French
    "üöäß",  # German
    "àèòùìéîíó",  # Italian
    "äåöé",  # Swedish, Finnish
    "øæåéöü",  # Danish, Norwegian
    "íáóðæéúþöý",  # Icelandic
    "ëéïöüèêó",  # Dutch
    "çàéèíòóúïü·",  # Catalan
)
_CENTRE = (
    "ółąęśćżźń",  # Polish
    "áíéýěčřšžůúťďňó",  # Czech
    "áíéýčšžúľťďňóôäĺŕ",  # Slovak
    "áéóöőüúűí",  # Hungarian
    "ăâîșțşţ",  # Romanian
    "čšžćđ",  # Croatian, Serbian, Slovene
)
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_CYRILLIC = (
    _RUSSIAN,
    "оаниветрсклумдпязьгбчйхіїжєюшцщфґ",  # Ukrainian
    "аеоитнрсвлкдпмзягбъуцчжщхшфюйь",  # Bulgarian
    "аонеісыклрдтмупвьязгйшбчўжцхюфэё",  # Belarusian
    "аоиенрстјвкдупмлгзбчшцђжћхњљфџ",  # Serbian
)
_TURKISH = ("ıüşçğöâî\u0307",)
_BALTIC = (
    "ėšžūųįąčę",  # Lithuanian
    "āīēšūņļžķģč",  # Latvian
    "äõöüšž",  # Estonian
)
_GREEK = ("αοιετσνηυρπκμλςωδγάίόχήθέύφώβξζψϊϋΐΰ",)
_HEBREW = ("יוהלאתמרבשנחדעקסכפגטזצםןךףץ",)
_ARABIC = ("اليمنرتوبسدفعكهحقشجصطخةضذثىئءغزأظؤإآپچژگ",)
_THAI = "".join(map(chr, range(0x0E01, 0x0E5C)))

#: What each encoding is used for; where two are as likely, the first is.
_ALPHABETS: Sequence[tuple[str, Sequence[str]]] = (
    ("cp1252", _WEST),
    ("cp1250", _CENTRE),
    ("cp1251", _CYRILLIC),
    ("cp1254", _TURKISH),
    ("cp1257", _BALTIC),
    ("cp1253", _GREEK),
    ("cp1255", _HEBREW),
    ("cp1256", _ARABIC),
    ("cp874", (_THAI,)),
    ("koi8-r", (_RUSSIAN,)),
    ("cp866", (_RUSSIAN,)),
    ("iso8859-5", _CYRILLIC),
    ("iso8859-2", _CENTRE),
    ("cp852", _CENTRE),
    ("cp850", _WEST),
    ("mac-roman", _WEST),
    ("mac-cyrillic", _CYRILLIC),
)
#: Encodings of several bytes a character: where the first bytes of common ones lie.
_COMMON_LEADS = (
    ("cp932", ((0x81, 0x83), (0x88, 0x97))),
    ("gb18030", ((0xA1, 0xA3), (0xB0, 0xD7))),
    ("big5", ((0xA1, 0xA3), (0xA4, 0xC6))),
    ("cp949", ((0xA1, 0xA3), (0xB0, 0xC8))),
)
#: Of the characters of a line, at least so many are common.
_COMMON_SHARE = 0.8
_WORD = re.compile(r"[^\W\d_]+")
#: Beyond ASCII, and in the texts of every language.
_SIGNS = frozenset(
    "\xa0«»“”„…€£°№§©®·¿¡ªº™،؛؟"
    # Single quotation marks, dashes, an accent, marks of direction.
    "\u2018\u2019\u201a\u2013\u2014\xb4\u200e\u200f"
)
#: Letters at the beginning of an alphabet, which has the commonest first.
_COMMON_LETTERS = 10
#: How many lines are looked at: more make it no surer.
_LINES = 500


@dataclass(frozen=True, slots=True, order=True)
class Likely:
    """An encoding, and how likely it is: the greater, the likelier."""

    #: The share of lines that a language may have written.
    share: float
    #: The share of letters among the characters beyond ASCII: capitals of one encoding
    #: are quotation marks of another.
    letters: float
    #: The share of common letters among those beyond ASCII, if a language fits.
    common: float
    #: The earlier in the tables, the greater.
    custom: int
    encoding: str


def rank(lines: Sequence[bytes]) -> list[Likely]:
    """Return the encodings in which all of `lines` are text, the likeliest first.

    `lines` are those that hold more than ASCII.
    """
    sample = lines[:_LINES]
    found = sorted(_rate_encodings(sample), reverse=True)
    if not found or found[0].share < 0.5:
        best = charset_normalizer.from_bytes(b"\n".join(sample)).best()
        known = {one.encoding for one in found}
        if best is not None and best.encoding not in {*known, "utf_8", "ascii"}:
            found.append(Likely(0.0, 0.0, 0.0, -99, best.encoding))
    return found


def _rate_encodings(lines: Sequence[bytes]) -> Iterator[Likely]:
    custom = 0
    for encoding, alphabets in _ALPHABETS:
        custom -= 1
        texts = _decode(lines, encoding)
        if texts:
            share, common = max(_score(texts, alphabet) for alphabet in alphabets)
            common = common if share else 0.0
            yield Likely(share, _share_letters(texts), common, custom, encoding)
    for encoding, ranges in _COMMON_LEADS:
        custom -= 1
        texts = _decode(lines, encoding)
        if texts:
            shares = [_share_common(text, encoding, ranges) for text in texts]
            fitting = sum(share >= _COMMON_SHARE for share in shares) / len(shares)
            common = sum(shares) / len(shares) if fitting else 0.0
            yield Likely(fitting, _share_letters(texts), common, custom, encoding)


def _decode(lines: Sequence[bytes], encoding: str) -> list[str]:
    """Return the texts of `lines`; none if one of them is no text in `encoding`."""
    try:
        return [line.decode(encoding) for line in lines]
    except UnicodeDecodeError:
        return []


def _score(texts: Sequence[str], alphabet: str) -> tuple[float, float]:
    """Return the share of texts spelt in `alphabet`, and that of common letters.

    Texts with signs alone, such as quotation marks, are as common as any.
    """
    is_latin = alphabet[0] < "\u0250"
    letters = frozenset(alphabet)
    spelt = sum(_is_spelt(text, letters, is_latin=is_latin) for text in texts)
    beyond = [one for text in texts for one in text.lower() if _is_letter(one)]
    often = frozenset(alphabet[:_COMMON_LETTERS])
    common = sum(one in often for one in beyond) / len(beyond) if beyond else 1.0
    return spelt / len(texts), common


def _share_letters(texts: Sequence[str]) -> float:
    """Return the share of letters beyond ASCII; signs alone are as likely."""
    beyond = [one for text in texts for one in text if not one.isascii()]
    letters = sum(map(str.isalpha, beyond))
    return letters / len(beyond) if letters else 1.0


def _is_letter(character: str) -> bool:
    return not character.isascii() and character.isalpha()


def _is_spelt(text: str, letters: frozenset[str], *, is_latin: bool) -> bool:
    """Say whether a language with these letters may have written `text`."""
    beyond = {one for one in text.lower() if not one.isascii()}
    strange = beyond - letters - _SIGNS
    if strange:
        return False
    if not is_latin and _mixes(text.lower(), letters):
        return False
    return all(
        _is_word(word, is_latin=is_latin)
        for word in _WORD.findall(text)
        if not word.isascii()
    )


def _mixes(text: str, letters: frozenset[str]) -> bool:
    """Say whether a Latin letter stands beside one of another script."""
    return any(
        (first in letters and second.isascii() and second.isalpha())
        or (second in letters and first.isascii() and first.isalpha())
        for first, second in pairwise(text)
    )


def _is_word(word: str, *, is_latin: bool) -> bool:
    """Say whether capitals stand where they do, and ASCII where it does."""
    if any(
        first.islower() and second.isupper() and not second.isascii()
        for first, second in pairwise(word)
    ):
        return False
    beyond = sum(not one.isascii() for one in word)
    return not is_latin or 2 * beyond <= len(word) + 2


def _share_common(text: str, encoding: str, ranges: Iterable[tuple[int, int]]) -> float:
    """Return the share of common characters among those beyond ASCII."""
    leads = [one.encode(encoding)[0] for one in text if not one.isascii()]
    common = sum(any(low <= lead <= high for low, high in ranges) for lead in leads)
    return common / (len(leads) or 1)
