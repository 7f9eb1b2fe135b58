"""Fields of columns, by their names."""

import re
from collections.abc import Iterable, Mapping

from ingest.domain.catalog import Database
from ingest.domain.errors import InvalidValue
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.domain.invisible import name_invisible

#: Columns that begin so say what was wrong with a row, and are passed over.
OWN_PREFIX = "penstock_"
#: In the header of an export: its cells are read back as what they were (E4).
EXACT_MARK = OWN_PREFIX + "export=exact"
#: What else a column may be called than a field.
_ALIASES = {"phone": "phones", "id": "profile_id"}
#: Matching keys that are no fields.
KEYS = ("profile_id", "provider", "subscription_id")
#: When the values of a row were true, unless a field is called so (T2).
AS_OF = "as_of"
#: What a row says of the basis of its statuses, unless a field is called so (C5).
CONSENT = {
    f"consent_{name}": name for name in ("source", "time", "ip", "text", "confirmed")
}
#: `email_sub` subscribes the address it holds, `email_sub:3` on resource 3.
SUBSCRIPTION = re.compile(r"(email_sub|phone_sub)(?::([1-9][0-9]{0,9}))?")
_SEPARATORS = re.compile(r"[\W_]+")

#: What people call a field, and programs that export them. Only ever asked about:
#: a column is known by the names and titles of the catalog.
_USUAL: Mapping[str, Iterable[str]] = {
    "email": (
        *("e mail", "mail", "email address", "e mail address", "mail address"),
        *("emailaddress", "primary email", "work email", "contact email", "почта"),
        *("электронная почта", "эл почта", "адрес электронной почты", "имейл"),
        *("e mail 1 value", "user email", "customer email", "correo", "courriel"),
    ),
    "phones": (
        *("phone number", "telephone", "tel", "mobile", "mobile phone", "cell"),
        *("cell phone", "cellphone", "mobile number", "telephone number", "msisdn"),
        *("phone 1 value", "телефон", "мобильный", "мобильный телефон", "моб телефон"),
        *("номер телефона", "primary phone", "work phone", "home phone", "whatsapp"),
        *("telefon", "telefono", "teléfono", "téléphone", "handy", "phonenumber"),
    ),
    "_fname": (
        *("first name", "firstname", "given name", "givenname", "forename", "fname"),
        *("имя", "vorname", "prénom", "nombre", "first", "christian name"),
    ),
    "_lname": (
        *("last name", "lastname", "surname", "family name", "familyname", "lname"),
        *("фамилия", "nachname", "nom de famille", "apellido", "apellidos", "last"),
    ),
    "_bdate": (
        *("birthday", "birth date", "birthdate", "date of birth", "dob", "bday"),
        *("дата рождения", "день рождения", "geburtsdatum", "date de naissance"),
    ),
    "_sex": ("sex", "gender", "пол", "geschlecht", "sexe", "sexo", "male female"),
    "_city": ("city", "town", "город", "ville", "stadt", "ciudad", "locality"),
    "_region": ("region", "state", "province", "county", "регион", "область", "край"),
    "_country": ("country", "country code", "страна", "land", "pays", "país"),
    "_postal_code": (
        *("postal code", "postcode", "post code", "zip", "zip code", "zipcode"),
        *("postalcode", "почтовый индекс", "индекс", "plz", "code postal"),
    ),
    "_tz": ("time zone", "timezone", "tz", "часовой пояс"),
    "_ip": ("ip", "ip address", "last ip"),
    "_regdate": (
        *("registration date", "registered", "registered at", "signup date"),
        *("sign up date", "created", "created at", "date created", "дата регистрации"),
        *("join date", "subscribed at", "opt in time", "optin time", "date added"),
    ),
    "_regip": ("registration ip", "signup ip", "optin ip", "opt in ip"),
    "_vendor": ("lead source", "source", "источник", "utm source"),
    "profile_id": ("profile id", "customer id", "user id"),
}
_MEANT = {name: field for field, names in _USUAL.items() for name in names}
#: How much of a column's name is told back.
_TOLD = 80
#: Below this, two short names are alike by chance.
_SHORT = 5


def plain(name: str) -> str:
    """Return a name as it is compared: `First-Name` is `first name`."""
    return _SEPARATORS.sub(" ", name.casefold()).strip()


def know(name: str, database: Database) -> str:
    """Return the field, key or subscription called `name`; empty for nothing to store.

    It may be called by its name, in any case, or by its title. Raises InvalidValue
    with a hint, if there is one: a field that people call so, or one letter away.
    """
    known = [*database.fields, "email", "phones", *KEYS, AS_OF, *CONSENT]
    name = _ALIASES.get(name.lower(), name)
    if name in known:
        return name
    alike = [one for one in known if one.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    if SUBSCRIPTION.fullmatch(name.lower()):
        return name.lower()
    if name in READ_ONLY_FIELDS:
        return ""
    titled = [
        field.name
        for field in database.fields.values()
        if field.title and plain(field.title) == plain(name) != ""
    ]
    if len(titled) == 1:
        return titled[0]
    if titled:
        raise InvalidValue(
            f"Several fields are titled {name!r}: {', '.join(titled)}. Map it:"
            f" {name}=FIELD"
        )
    hint, unseen = _hint(name, known), name_invisible(name)
    name = name[:_TOLD]
    meant = f" (its name holds the invisible character {unseen})" if unseen else ""
    meant += f"; is it {hint!r}?" if hint else "."
    raise InvalidValue(
        f"No field is called {name!r}{meant} Map it: {name}=FIELD, or skip it: {name}="
    )


def _hint(name: str, known: Iterable[str]) -> str:
    """Return the one field that is meant by all we know; empty for none."""
    asked = plain(name)
    if usual := _MEANT.get(asked):
        return usual
    names = [one for one in known if plain(one) == asked]
    if not names and len(asked) >= _SHORT:
        names = [one for one in known if _is_slip(asked, plain(one))]
        usually = {_MEANT[one] for one in _MEANT if _is_slip(asked, one)}
        names = list(dict.fromkeys([*names, *usually]))
    return names[0] if len(names) == 1 else ""


def _is_slip(one: str, other: str) -> bool:
    """Say whether one slip of the fingers makes `other` of `one`: not of a digit."""
    if min(len(one), len(other)) < _SHORT or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    if any(rest[:1].isdigit() for rest in (left, right)):
        return False
    return (
        left[1:] == right
        or left == right[1:]
        or left[1:] == right[1:]
        or (left[:2] == right[1::-1] and left[2:] == right[2:])
    )
