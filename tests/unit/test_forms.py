"""Forms of several parts: contract 16.6."""

import pytest

from ingest.domain.errors import InvalidRequest
from ingest.wire.forms import Form, decode_multipart

NAME = "Иван"


def write_part(name: str, data: bytes, type_: str) -> bytes:
    more = f"Content-Type: {type_}\r\n" if type_ else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n{more}\r\n'
    return head.encode() + data + b"\r\n"


def read(*parts: tuple[str, bytes, str], charset: str = "") -> Form:
    """Read a form of parts: of each a name, its data, and what its type says."""
    body = b"".join(write_part(*part) for part in parts) + b"--b--\r\n"
    more = f"; charset={charset}" if charset else ""
    return decode_multipart(body, f"multipart/form-data; boundary=b{more}", 100)


RUSSIAN = NAME.encode("cp1251")
MARK = ("_charset_", b"windows-1251", "")


@pytest.mark.fact("16.6-charset")
@pytest.mark.parametrize(
    ("parts", "charset"),
    [
        pytest.param([("_fname", NAME.encode(), "")], "", id="nothing"),
        pytest.param([("_fname", RUSSIAN, "text/plain; charset=windows-1251")], "",
                     id="its part"),
        pytest.param([MARK, ("_fname", RUSSIAN, "")], "", id="_charset_"),
        pytest.param([("_fname", RUSSIAN, "")], "windows-1251", id="the form's type"),
        pytest.param([MARK, ("_fname", NAME.encode("koi8-r"),
                      "text/plain; charset=koi8-r")], "utf-8", id="its part first"),
        pytest.param([("_fname", RUSSIAN, ""), MARK], "utf-8", id="_charset_ second"),
    ],
)  # fmt: skip
def test_a_text_is_in_the_charset_that_is_told(
    parts: list[tuple[str, bytes, str]], charset: str
) -> None:
    form = read(*parts, charset=charset)

    assert form == Form(inputs={"_fname": NAME})


@pytest.mark.fact("16.6-charset")
@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([("_fname", RUSSIAN, "")], "The value must be UTF-8: _fname"),
        ([("_fname", b"\x98", ""), MARK], "The value must be windows-1251: _fname"),
        ([("_fname", b"x", "text/plain; charset=hex")], "Unknown encoding 'hex'"),
        ([("_fname", b"x", ""), ("_charset_", b"\xff", "")], "Unknown encoding"),
    ],
)
def test_a_text_that_is_in_no_charset_is_refused(
    parts: list[tuple[str, bytes, str]], told: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(*parts)

    assert str(refused.value).startswith(told)
