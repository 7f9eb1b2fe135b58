from contextlib import suppress
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.catalog import Channel, FieldType, SegmentKind
from ingest.domain.plans import DeclaredCatalog
from ingest.wire.catalog_files import (
    InvalidCatalogFile,
    dump_catalog_file,
    load_catalog_file,
)
from tests.declared import declared_catalogs

HEAD = """
[[accounts]]
id = 1
name = "Acme"

[[databases]]
id = 1
account = 1
name = "Customers"
"""


def load(text: str) -> DeclaredCatalog:
    return load_catalog_file(text.encode())


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidCatalogFile) as raised:
        load(text)
    return [
        f"{fault.path}: {fault.message}" if fault.path else fault.message
        for fault in raised.value.faults
    ]


def with_field(lines: str) -> str:
    return f"{HEAD}\n[[databases.fields]]\n{lines}"


def test_an_empty_file_declares_nothing() -> None:
    assert load("") == DeclaredCatalog()


def test_a_file_declares_what_it_says() -> None:
    declared = load(
        with_field('name = "code"\ntype = "int"\nunique = true\ndefault = "7"')
        + """
[[resources]]
id = 2
account = 1
name = "Shop"
databases = [1]
channels = ["email", "sms"]
categories = ["news"]

[[resources.fields]]
name = "app"
type = "version"
channels = ["push"]

[[segments]]
id = 3
database = 1
name = "New"

[[segments]]
id = 4
database = 1
name = "Rich"
kind = "dynamic"
"""
    )

    code = declared.databases[1].fields["code"]
    assert (code.type, code.match, code.unique, code.default) == (
        FieldType.INT,
        True,
        True,
        7,
    )
    shop = declared.resources[2]
    assert shop.database_ids == {1}
    assert shop.channels == {Channel.EMAIL, Channel.SMS}
    assert shop.fields["app"].type is FieldType.VERSION
    assert shop.fields["app"].channels == {Channel.PUSH}
    assert declared.segments[3].kind is SegmentKind.STATIC
    assert declared.segments[4].kind is SegmentKind.DYNAMIC


@pytest.mark.parametrize(
    ("lines", "default"),
    [
        pytest.param('type = "int"\ndefault = 3', 3, id="a number"),
        pytest.param('type = "bool"\ndefault = false', False, id="false is a default"),
        pytest.param('type = "float"\ndefault = 3', 3.0, id="a whole float"),
        pytest.param(
            'type = "date"\ndefault = 1990-02-22T21:00:00Z',
            "1990-02-22T21:00:00Z",
            id="a date of TOML",
        ),
        pytest.param(
            'type = "date"\ndefault = 1990-02-22',
            "1990-02-22T00:00:00Z",
            id="a day of TOML",
        ),
        pytest.param('type = "tags"\ndefault = "a, b"', ["a", "b"], id="tags as text"),
        pytest.param(
            'type = "enum"\noptions = ["a", "b"]\ndefault = "b"', "b", id="an option"
        ),
        pytest.param(
            'type = "object"\ndefault = {a = [1]}', {"a": [1]}, id="an object"
        ),
    ],
)
def test_a_default_is_parsed_by_its_type(lines: str, default: object) -> None:
    declared = load(with_field(f'name = "x"\n{lines}'))

    assert declared.databases[1].fields["x"].default == default


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        pytest.param(
            'name = "x"\ntype = "sex"',
            "type: Must be one of: int, float, unicode, date, bool, enum, ip, tags, "
            "object, arr_object.",
            id="a type of system fields",
        ),
        pytest.param(
            'name = "x"\ntype = "version"',
            "type: Must be one of: int, float, unicode, date, bool, enum, ip, tags, "
            "object, arr_object.",
            id="a type of subscription fields",
        ),
        pytest.param(
            'name = "x"', "type: Missing data for required field.", id="no type"
        ),
        pytest.param(
            'name = "_x"\ntype = "int"',
            "name: Must be a letter, then letters, digits, or _ (at most 64).",
            id="a system name",
        ),
        pytest.param(
            'name = "a\\n"\ntype = "int"',
            "name: Must be a letter, then letters, digits, or _ (at most 64).",
            id="a line break after the name",
        ),
        pytest.param(
            'name = "phones"\ntype = "int"',
            "name: Must not be a reserved name (email, phones, subscriptions, id, "
            "db_id, profile_id).",
            id="reserved name",
        ),
        pytest.param(
            'name = "x"\ntype = "enum"',
            "options: An enum needs options.",
            id="an enum without options",
        ),
        pytest.param(
            'name = "x"\ntype = "int"\noptions = ["a"]',
            "options: Only an enum has options.",
            id="options of another type",
        ),
        pytest.param(
            'name = "x"\ntype = "enum"\noptions = ["a", "a"]',
            "options: An option is declared twice.",
            id="an option twice",
        ),
        pytest.param(
            'name = "x"\ntype = "int"\ndefault = "many"',
            "default: Must be an integer.",
            id="a default of another type",
        ),
        pytest.param(
            'name = "x"\ntype = "unicode"\ndefault = ""',
            "default: Must not be empty.",
            id="an empty default",
        ),
        pytest.param(
            'name = "x"\ntype = "enum"\noptions = ["a"]\ndefault = "b"',
            "default: Must be one of the field's options (a).",
            id="a default that is no option",
        ),
        pytest.param(
            'name = "x"\ntype = "tags"\nunique = true',
            "unique: A field of type tags cannot be unique.",
            id="unique tags",
        ),
        pytest.param(
            'name = "x"\ntype = "unicode"\nmerge = "sum"',
            "merge: Must be one of: keep, latest, earliest, longest.",
            id="a rule for merges that does not fit",
        ),
        pytest.param(
            'name = "x"\ntype = "object"\nunique = true',
            "unique: A field of type object cannot be unique.",
            id="a unique object",
        ),
        pytest.param(
            'name = "x"\ntype = "arr_object"\nmatch = true',
            "match: A field of type arr_object cannot be matched.",
            id="matched objects",
        ),
        pytest.param(
            'name = "x"\ntype = "int"\nmatch = "yes"',
            "match: Not a valid boolean.",
            id="a flag as text",
        ),
        pytest.param(
            'name = "x"\ntype = "int"\nuniqe = true',
            "uniqe: Unknown field.",
            id="a misspelt key",
        ),
    ],
)
def test_a_bad_field_is_refused_with_its_path(lines: str, fault: str) -> None:
    assert faults(with_field(lines)) == [f"databases[0].fields[0].{fault}"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("things = []", "things: Unknown field.", id="unknown section"),
        pytest.param(
            "accounts = {}", "accounts: Not a valid list.", id="a table for a list"
        ),
        pytest.param(
            "accounts = [1]", "accounts[0]: Invalid input type.", id="not a table"
        ),
        pytest.param(
            '[[accounts]]\nid = 0\nname = "a"',
            "accounts[0].id: Must be greater than or equal to 1 and less than or equal "
            "to 2147483647.",
            id="id zero",
        ),
        pytest.param(
            '[[accounts]]\nid = 2147483648\nname = "a"',
            "accounts[0].id: Must be greater than or equal to 1 and less than or equal "
            "to 2147483647.",
            id="an id that Postgres cannot hold",
        ),
        pytest.param(
            '[[accounts]]\nid = "1"\nname = "a"',
            "accounts[0].id: Not a valid integer.",
            id="an id as text",
        ),
        pytest.param(
            '[[accounts]]\nid = true\nname = "a"',
            "accounts[0].id: Not a valid integer.",
            id="an id that is true",
        ),
        pytest.param(
            '[[accounts]]\nid = 1\nname = " "',
            "accounts[0].name: Must not be blank.",
            id="blank name",
        ),
        pytest.param(
            '[[accounts]]\nid = 1\nname = "a\\u0000"',
            "accounts[0].name: Must not contain the NUL character.",
            id="a name that Postgres cannot hold",
        ),
        pytest.param(
            '[[accounts]]\nid = 1\nname = "a"\n[[accounts]]\nid = 1\nname = "b"',
            "accounts[1].id: 1 is declared twice.",
            id="an id twice",
        ),
        pytest.param(
            HEAD + '[[segments]]\nid = 1\ndatabase = 2\nname = "s"',
            "segments[0].database: 2 is not declared.",
            id="a segment of no database",
        ),
        pytest.param(
            HEAD + '[[segments]]\nid = 1\ndatabase = 1\nname = "s"\nkind = "odd"',
            "segments[0].kind: Must be one of: static, dynamic.",
            id="a segment of no kind",
        ),
        pytest.param(
            HEAD + "default_resource = 5",
            "databases[0].default_resource: 5 is not declared.",
            id="no such default resource",
        ),
        pytest.param(
            HEAD
            + 'default_resource = 5\n[[resources]]\nid = 5\naccount = 1\nname = "r"',
            "databases[0].default_resource: Resource 5 must list this database in its "
            "databases.",
            id="a default resource of other databases",
        ),
        pytest.param(
            HEAD + 'merge_keys = ["email", "code"]\n[[databases.fields]]\n'
            'name = "code"\ntype = "int"\n',
            "databases[0].merge_keys[1]: Must be one of: email, phone, push.",
            id="a field that is not matched as a proof for merges",
        ),
        pytest.param(
            HEAD + "field_sources = { emial = { crm = 5 } }",
            "databases[0].field_sources: The database has no field emial (is it "
            "email?).",
            id="sources of an unknown field",
        ),
        pytest.param(
            HEAD + "field_sources = { email = { crm = -1 } }",
            "databases[0].field_sources.email.value.crm.value: Must be greater than or "
            "equal to 0 and less than or equal to 1000.",
            id="a rank below none",
        ),
        pytest.param(
            HEAD + 'otherwise = "merge"',
            "databases[0].otherwise: Must be one of: reject, hold.",
            id="an unknown policy for what another does not decide",
        ),
        pytest.param(
            HEAD + "merge_limit = 0",
            "databases[0].merge_limit: Must be greater than or equal to 1 and less "
            "than or equal to 100.",
            id="a limit of no merges",
        ),
        pytest.param(
            HEAD + '[[databases]]\nid = 2\naccount = 3\nname = "d"',
            "databases[1].account: 3 is not declared.",
            id="a database of no account",
        ),
        pytest.param(
            HEAD
            + '[[resources]]\nid = 5\naccount = 1\nname = "r"\nchannels = ["pigeon"]',
            "resources[0].channels[0]: Must be one of: email, sms, push, telegram_bot, "
            "whatsapp, viber, notify.",
            id="unknown channel",
        ),
        pytest.param(
            HEAD + '[[resources]]\nid = 5\naccount = 1\nname = "r"\ndatabases = [1, 8]',
            "resources[0].databases[1]: 8 is not declared.",
            id="a resource bound to no database",
        ),
        pytest.param(
            HEAD
            + '[[accounts]]\nid = 2\nname = "b"\n'
            + '[[resources]]\nid = 5\naccount = 2\nname = "r"\ndatabases = [1]',
            "resources[0].databases[0]: Database 1 must belong to the same account.",
            id="a resource bound to another account's database",
        ),
        pytest.param(
            with_field('name = "x"\ntype = "int"')
            + '\n[[databases.fields]]\nname = "x"\ntype = "int"',
            "databases[0].fields[1].name: x is declared twice.",
            id="a field twice",
        ),
        pytest.param(
            "x =",
            "The file is not TOML: Invalid value (at end of document).",
            id="not TOML",
        ),
    ],
)
def test_a_bad_file_is_refused_with_the_path_of_its_fault(
    text: str, fault: str
) -> None:
    assert faults(text) == [fault]


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidCatalogFile, match="The file is not TOML"):
        load_catalog_file(b"\xff")


def test_every_fault_is_told_at_once() -> None:
    found = faults(
        HEAD
        + """
surplus = 1
[[databases.fields]]
name = "_x"
type = "int"
[[databases.fields]]
name = "y"
type = "enum"
[[segments]]
id = 1
database = 9
name = "s"
"""
    )

    assert found == [
        "databases[0].fields[0].name: Must be a letter, then letters, digits, or _ "
        "(at most 64).",
        "databases[0].surplus: Unknown field.",
        "databases[0].fields[1].options: An enum needs options.",
        "segments[0].database: 9 is not declared.",
    ]


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
@settings(max_examples=100)
def test_whatever_comes_is_a_catalog_or_refused(body: bytes) -> None:
    with suppress(InvalidCatalogFile):
        load_catalog_file(body)


@given(declared_catalogs())
@settings(max_examples=100)
def test_a_written_catalog_reads_as_itself(declared: DeclaredCatalog) -> None:
    text = dump_catalog_file(declared)

    assert load(text) == declared


def test_the_demo_catalog_has_what_the_documentation_samples_name() -> None:
    demo = load_catalog_file(
        (resources.files("ingest.local") / "demo.toml").read_bytes()
    )

    assert "custom_field" in demo.databases[1].fields
    assert demo.databases[1].default_resource_id == 1
    for number in (1, 2, 28, 29):
        resource = demo.resources[number]
        assert resource.channels == set(Channel)
        assert resource.categories >= {"category_1", "category_2"}
        assert "custom_field_1" in resource.fields
        assert 1 in resource.database_ids
    assert {number: segment.kind for number, segment in demo.segments.items()} == {
        1: SegmentKind.STATIC,
        2: SegmentKind.STATIC,
        3: SegmentKind.STATIC,
        4: SegmentKind.DYNAMIC,
        9: SegmentKind.STATIC,
    }
    assert demo.segments[9].database_id == 2
