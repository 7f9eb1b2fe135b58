"""Emails and phones: contract 3.4, 4.5 and 14, points 25 and 28."""

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.contacts import (
    email_key,
    normalize_email,
    normalize_phone,
    phone_key,
)
from ingest.domain.errors import InvalidValue
from ingest.domain.phones import find_doubt, is_e164


@pytest.mark.fact("14.25-email")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("john@example.com", "john@example.com", id="plain"),
        pytest.param("  john@example.com\n", "john@example.com", id="is trimmed"),
        pytest.param("John@EXAMPLE.Com", "John@example.com", id="lowers the domain"),
        pytest.param("a+tag@example.com", "a+tag@example.com", id="keeps a tag"),
        pytest.param("a@shop.test", "a@shop.test", id="reserved for tests"),
        pytest.param("имя@пример.рф", "имя@пример.рф", id="internationalised"),
        pytest.param("a@xn--e1afmkfd.xn--p1ai", "a@пример.рф", id="punycode"),
        pytest.param("a" * 248 + "@b.com", "a" * 248 + "@b.com", id="longest"),
        pytest.param("\u212aim@example.com", "Kim@example.com", id="sign of kelvins"),
    ],
)
def test_email_is_canonical(raw: str, expected: str) -> None:
    assert normalize_email(raw) == expected


@pytest.mark.fact("14.25-email")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param("john", id="no at-sign"),
        pytest.param("@example.com", id="no local part"),
        pytest.param("john@", id="no domain"),
        pytest.param("john@localhost", id="placeholder of an absent email"),
        pytest.param("john@test", id="domain without a dot"),
        pytest.param("a@x.com;b@y.com", id="two addresses by semicolon"),
        pytest.param("a@x.com,b@y.com", id="two addresses by comma"),
        pytest.param("a@x.com b@y.com", id="two addresses by space"),
        pytest.param("John <john@example.com>", id="display name"),
        pytest.param("john..doe@example.com", id="two dots"),
        pytest.param("john@exam\x00ple.com", id="NUL"),
        pytest.param("john\ud800@example.com", id="lone surrogate"),
        pytest.param("a" * 249 + "@b.com", id="longer than 254 characters"),
        pytest.param("a@" + "b." * 200 + "com", id="domain too long"),
        pytest.param(None, id="null"),
        pytest.param(True, id="boolean"),
        pytest.param(79001234567, id="number"),
        pytest.param(["a@x.com"], id="list"),
        pytest.param({"email": "a@x.com"}, id="object"),
    ],
)
def test_incorrect_email_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue, match=r"^Incorrect email$"):
        normalize_email(raw)


@pytest.mark.fact("3.4-email")
def test_emails_are_compared_without_case() -> None:
    emails = {normalize_email(raw) for raw in ("John@Example.com", "JOHN@example.COM")}

    assert {email_key(email) for email in emails} == {"john@example.com"}


@given(st.emails())
def test_normalizing_an_email_twice_changes_nothing(raw: str) -> None:
    try:
        email = normalize_email(raw)
    except InvalidValue:
        return  # RFC 5321 has quoted local parts and bare hosts, the contract not.

    assert normalize_email(email) == email
    assert email_key(email_key(email)) == email_key(email)


@given(st.text())
def test_any_text_is_an_email_or_incorrect(raw: str) -> None:
    try:
        email = normalize_email(raw)
    except InvalidValue:
        return

    assert email.count("@") == 1


@pytest.mark.fact("14.28-phone")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("+79991234567", "+79991234567", id="plain"),
        pytest.param("+790000000000", "+790000000000", id="the contract's sample"),
        pytest.param("79991234567", "+79991234567", id="without plus"),
        pytest.param(79991234567, "+79991234567", id="as a number"),
        pytest.param(" +7 (999) 123-45-67 ", "+79991234567", id="punctuated"),
        pytest.param("+7\u00a0[999]\u2013123\u20114567", "+79991234567", id="typeset"),
        pytest.param("1234567", "+1234567", id="seven digits"),
        pytest.param("+123456789012345", "+123456789012345", id="fifteen digits"),
        pytest.param(999999999999999, "+999999999999999", id="largest number"),
    ],
)
def test_phone_is_canonical(raw: object, expected: str) -> None:
    assert normalize_phone(raw) == expected


@pytest.mark.fact("4.5-phone", "14.28-phone")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("12345", id="the contract's short sample"),
        pytest.param("phone", id="the contract's word"),
        pytest.param("+000000000000", id="the contract's zeros"),
        pytest.param("+799912345678901234567890", id="the contract's long sample"),
        pytest.param("123456", id="six digits"),
        pytest.param("1234567890123456", id="sixteen digits"),
        pytest.param("", id="empty"),
        pytest.param("+", id="only plus"),
        pytest.param("++79991234567", id="two plus signs"),
        pytest.param("7999+1234567", id="plus inside"),
        pytest.param("+7999123456x", id="letter"),
        pytest.param("+٧٩٩٩١٢٣٤٥٦٧", id="digits of another script"),
        pytest.param("+79991234567;+79991234568", id="two phones"),
        pytest.param(123456, id="small number"),
        pytest.param(-79991234567, id="negative number"),
        pytest.param(10**15, id="number of sixteen digits"),
        pytest.param(10**5000, id="huge number"),
        pytest.param(79991234567.0, id="float"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="null"),
        pytest.param(["+79991234567"], id="list"),
    ],
)
def test_incorrect_phone_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue, match=r"^Incorrect phone$"):
        normalize_phone(raw)


@pytest.mark.fact("16.8-decoration", "16.8-idd")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("tel:+44 20 7946 0018", "+442079460018", id="a link"),
        pytest.param("TEL:+44-20-7946-0018", "+442079460018", id="a link, shouted"),
        pytest.param("+7.900.123.45.67", "+79001234567", id="dots"),
        pytest.param(
            "\uff0b\uff17\uff19\uff10\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
            "+79001234567",
            id="full width",
        ),
        pytest.param("\u202a+7 900 123 45 67\u202c", "+79001234567", id="direction"),
        pytest.param("+7900\u200b123\ufeff4567", "+79001234567", id="no width"),
        pytest.param("'+79001234567", "+79001234567", id="an apostrophe"),
        pytest.param("'+79001234567'", "+79001234567", id="two apostrophes"),
        pytest.param('="79001234567"', "+79001234567", id="a formula"),
        pytest.param("79001234567.0", "+79001234567", id="a fraction"),
        pytest.param("+44 (0)20 7946 0018", "+4402079460018", id="a trunk zero"),
        pytest.param("(+44) 20 7946 0018", "+442079460018", id="the plus in brackets"),
        pytest.param("0044 20 7946 0018", "+442079460018", id="00 for the plus"),
        pytest.param("(00) 44 20 7946 0018", "+442079460018", id="00 in brackets"),
    ],
)
def test_what_is_certain_not_to_be_dialled_is_stripped(raw: str, expected: str) -> None:
    assert normalize_phone(raw) == expected


@pytest.mark.fact("16.8-zero", "16.8-extension")
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param("+0 900 123 45 67", "no international number begins with 0",
                     id="plus and zero"),
        pytest.param("0900 123 45 67", "no international number begins with 0",
                     id="zero"),
        pytest.param("+0044 20 7946 0018", "no international number begins with 0",
                     id="plus and 00"),
        pytest.param("000 44 20 7946 00", "no international number begins with 0",
                     id="three zeros"),
        pytest.param("+44 20 7946 0018 ext. 12", "has an extension", id="ext."),
        pytest.param("+442079460018x12", "has an extension", id="x"),
        pytest.param("tel:+44-20-7946-0018;ext=12", "has an extension", id="of a link"),
        pytest.param("8 495 123-45-67 доб. 12", "has an extension", id="Russian"),
        pytest.param("7.9E+10", "its digits were lost in scientific notation",
                     id="scientific"),
        pytest.param("+4,42079E+11", "its digits were lost in scientific notation",
                     id="scientific, with a plus and a comma"),
        pytest.param("1234567\n7654321", "has several lines", id="two numbers"),
        pytest.param("1234567\u20287654321", "has several lines", id="two lines"),
        pytest.param("+7900\u0008x1234567",
                     "holds the invisible character U+0008 CONTROL CHARACTER",
                     id="invisible"),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_dialled_is_refused_by_name(raw: str, why: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        normalize_phone(raw)

    assert str(caught.value) == f"Incorrect phone ({why})"


@pytest.mark.fact("16.8-region")
@pytest.mark.parametrize(
    ("region", "raw", "expected"),
    [
        pytest.param("RU", "8 900 123-45-67", "+79001234567", id="trunk prefix"),
        pytest.param("RU", "900 123 45 67", "+79001234567", id="national"),
        pytest.param("RU", "+7 900 123 45 67", "+79001234567", id="international"),
        pytest.param("RU", "7 900 123 45 67", "+79001234567", id="plus forgotten"),
        pytest.param("RU", "007 900 123 45 67", "+79001234567", id="00"),
        pytest.param("RU", "810 7 900 123 45 67", "+79001234567", id="its own prefix"),
        pytest.param("RU", "89001234567.0", "+79001234567", id="decorated"),
        pytest.param("RU", "+44 20 7946 0018", "+442079460018", id="of another"),
        pytest.param("GB", "020 7946 0018", "+442079460018", id="trunk zero"),
        pytest.param("IT", "06 6982 1234", "+390669821234", id="zero that is dialled"),
        pytest.param("US", "(650) 253-0000", "+16502530000", id="ten digits"),
        pytest.param("US", "011 44 20 7946 0018", "+442079460018", id="IDD of the US"),
    ],
)
def test_a_number_without_plus_is_one_of_the_region(
    region: str, raw: str, expected: str
) -> None:
    assert normalize_phone(raw, region) == expected
    assert normalize_phone(expected, region) == expected


@pytest.mark.fact("16.8-region")
@pytest.mark.parametrize(
    ("region", "raw"),
    [
        pytest.param("RU", "380501234567", id="of another country"),
        pytest.param("RU", "1234567", id="local"),
        pytest.param("US", "253-0000", id="without area code"),
        pytest.param("GB", "79001234567890", id="too long"),
    ],
)
def test_what_is_no_number_of_the_region_is_not_guessed(region: str, raw: str) -> None:
    with pytest.raises(InvalidValue, match=f"not a number of {region}"):
        normalize_phone(raw, region)


@pytest.mark.fact("16.8-warning")
@pytest.mark.parametrize(
    ("raw", "region", "doubted"),
    [
        pytest.param("9001239999", None, True, id="ten digits, as of Turkey"),
        pytest.param("650-253-0000", None, True, id="ten digits, as of Singapore"),
        pytest.param("89001239999", None, True, id="trunk prefix, of no country"),
        pytest.param("+89001239999", None, True, id="plus, of no country"),
        pytest.param("79001234567", None, False, id="plus forgotten"),
        pytest.param(79001234567, None, False, id="plus forgotten, number"),
        pytest.param("+790000000000", None, False, id="the contract's sample"),
        pytest.param("0044 20 7946 0018", None, False, id="00"),
        pytest.param("8 900 123 99 99", "RU", False, id="region"),
        pytest.param("650 253 0000", "RU", True, id="of no operator of the region"),
    ],
)
def test_a_number_that_no_country_has_is_doubted(
    raw: object, region: str | None, *, doubted: bool
) -> None:
    normalize_phone(raw, region)

    assert bool(find_doubt(raw, region)) is doubted


@pytest.mark.fact("16.8-one-person")
@given(
    st.sampled_from(["+7 {}", "8{}", "{}", "7 {}", "007-{}", "tel:+7.{}", "'8 {}"]),
    st.from_regex(r"90[0-9]{8}", fullmatch=True),
)
def test_every_spelling_of_a_number_has_one_key(spelling: str, digits: str) -> None:
    phone = normalize_phone(spelling.format(digits), "RU")

    assert phone_key(phone) == phone_key(f"+7{digits}")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        pytest.param("john\u200b@example.com", "U+200B ZERO WIDTH SPACE", id="width"),
        pytest.param("\ufeffjohn@example.com", "U+FEFF ZERO WIDTH NO-BREAK SPACE",
                     id="byte order mark"),
        pytest.param("john@\u200eexample.com", "U+200E LEFT-TO-RIGHT MARK",
                     id="direction"),
        pytest.param("john\u00a0doe@example.com", "U+00A0 NO-BREAK SPACE", id="blank"),
    ],
)  # fmt: skip
def test_an_invisible_character_of_an_email_is_named(raw: str, name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        normalize_email(raw)

    told = f"Incorrect email (holds the invisible character {name})"
    assert str(caught.value) == told


@given(st.text(), st.sampled_from([None, "RU", "US", "IT"]))
def test_any_text_is_a_phone_or_incorrect(raw: str, region: str | None) -> None:
    try:
        phone = normalize_phone(raw, region)
    except InvalidValue:
        return

    assert normalize_phone(phone, region) == phone
    assert not phone.startswith("+0")
    find_doubt(raw, region)


@pytest.mark.fact("3.4-phone")
@given(st.from_regex(r"\A[1-9][0-9]{6,14}\Z"))
def test_punctuation_does_not_change_a_phone(digits: str) -> None:
    spaced = " - ".join(digits)

    assert normalize_phone(digits) == normalize_phone(f"+({spaced})") == f"+{digits}"
    assert normalize_phone(normalize_phone(digits)) == f"+{digits}"


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        pytest.param("+79000000000", "+79000000000", id="international"),
        pytest.param("+4402079460018", "+442079460018", id="a trunk zero"),
        pytest.param("+790000000000", "+790000000000", id="the contract's sample"),
        pytest.param("+999123456789", "+999123456789", id="no known country"),
    ],
)
def test_phones_are_compared_as_e164(phone: str, key: str) -> None:
    assert phone_key(phone) == key


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True))
def test_the_key_of_a_phone_is_its_own_key(digits: str) -> None:
    key = phone_key(normalize_phone(digits))

    assert phone_key(key) == key


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.sampled_from(["", "0", "00", "1", "15", "8", "9"]),
    st.from_regex(r"[0-9]{1,11}", fullmatch=True),
)
def test_what_is_taken_for_e164_is_what_the_library_makes_of_it(
    code: int, start: str, digits: str
) -> None:
    phone = f"+{code}{start}{digits}"
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        key = phone
    else:
        form = phonenumbers.PhoneNumberFormat.E164
        key = phonenumbers.format_number(number, form)

    assert not is_e164(phone) or key == phone


@pytest.mark.parametrize(
    ("phone", "is_known"),
    [
        pytest.param("+79000000000", True, id="nothing that is dialled inside"),
        pytest.param("+79990000000000", True, id="too long for its country"),
        pytest.param("+390612345678", True, id="a zero that belongs to it"),
        pytest.param("+4402079460018", False, id="a trunk zero"),
        pytest.param("+999123456789", False, id="no known country"),
    ],
)
def test_nearly_all_phones_are_e164_at_first_sight(phone: str, is_known: bool) -> None:
    assert is_e164(phone) is is_known


LETTERS = "abcXYZ019._+-"
LOCALS = st.text(LETTERS, min_size=1, max_size=70) | st.sampled_from(
    ["Info", "POSTMASTER", "www", "o'brien", '"a b"', "имя"]
)
DOMAINS = st.text("abZ09.-", min_size=1, max_size=70) | st.sampled_from(
    ["Example.com", "shop.test", "a.local", "xn--e1afmkfd.xn--p1ai", "b.invalid"]
)


@given(local=LOCALS, domain=DOMAINS)
def test_plain_emails_are_judged_as_the_library_judges_them(
    local: str, domain: str
) -> None:
    text = f"{local}@{domain}"
    try:
        told = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        with pytest.raises(InvalidValue):
            normalize_email(text)
        return

    if "." in told.domain:
        assert normalize_email(text) == told.normalized
    else:
        with pytest.raises(InvalidValue):
            normalize_email(text)
