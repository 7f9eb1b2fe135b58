"""Packed files are unpacked, and those that are traps are refused."""

import gzip
import io
import os
import stat
import zipfile
from collections.abc import Callable
from typing import IO

import pytest

from ingest.doors.files.formats.archives import PackLimits, UnreadableFile, unpack
from ingest.doors.files.streams import Metered

LIMITS = PackLimits(max_bytes=64 * 1024 * 1024, max_ratio=100, max_members=3)
SMALL = PackLimits(max_bytes=1000, max_ratio=100, max_members=3)
#: Compresses a thousandfold, and is more than may be packed as well as it likes.
BOMB = b"0" * (20 * 1024 * 1024)


class Pipe(io.BytesIO):
    """What cannot be read from its end."""

    def seekable(self) -> bool:
        return False


def read(
    data: bytes, limits: PackLimits = LIMITS, kind: type[io.BytesIO] = io.BytesIO
) -> list[tuple[str, bytes]]:
    with unpack(Metered(kind(data)), limits) as files:
        return [(name, file.read()) for name, file in files]


def pack(*members: tuple[str, bytes], **more: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = more.get("external_attr", 0)
            archive.writestr(info, content)
    return file.getvalue()


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
@pytest.mark.parametrize("data", [b"", b"abc", b"a" * 1_000_000])
def test_a_plain_file_is_itself(data: bytes, kind: type[io.BytesIO]) -> None:
    assert read(data, kind=kind) == [("", data)]


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_gzip_is_unpacked_all_of_its_parts(kind: type[io.BytesIO]) -> None:
    data = gzip.compress(b"abc\n") + gzip.compress(b"def\n")

    assert read(data, kind=kind) == [("", b"abc\ndef\n")]


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_every_file_of_a_zip_is_read(kind: type[io.BytesIO]) -> None:
    data = pack(("a.csv", b"abc"), ("folder/", b""), ("folder/b.csv", b"def"))

    assert read(data, kind=kind) == [("a.csv", b"abc"), ("folder/b.csv", b"def")]


def test_it_is_known_how_much_of_a_packed_file_has_been_read() -> None:
    data = gzip.compress(os.urandom(2_000_000))
    packed = Metered(io.BytesIO(data))

    with unpack(packed, LIMITS) as files:
        ((_, file),) = files
        file.read(1000)
        early = packed.count
        file.read()

    assert 0 < early < len(data) == packed.count


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
@pytest.mark.parametrize(
    "make", [gzip.compress, lambda data: pack(("a.csv", data))], ids=["gzip", "zip"]
)
def test_a_bomb_is_refused_before_it_bursts(
    make: Callable[[bytes], bytes], kind: type[io.BytesIO]
) -> None:
    stream, taken = Metered(kind(make(BOMB))), 0

    def read_piece_by_piece() -> None:
        nonlocal taken
        with unpack(stream, LIMITS) as files:
            for _, file in files:
                while piece := file.read(65536):
                    taken += len(piece)

    with pytest.raises(UnreadableFile, match=r"at most 100 times.*UNPACK_RATIO"):
        read_piece_by_piece()

    assert taken < 17 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 1001, "at most 1000 bytes"),
        (gzip.compress(b"x" * 1001), "at most 1000 bytes"),
        (pack(("a", b"x" * 1001)), "at most 1000 bytes"),
        (pack(("a", b"x" * 600), ("b", b"y" * 600)), "at most 1000"),
        (pack(*((f"{i}", b"") for i in range(4))), "at most 3,"),
        (pack(("../a.csv", b"x")), "a path outside it"),
        (pack(("a/../../b.csv", b"x")), "a path outside it"),
        (pack(("/etc/passwd", b"x")), "a path outside it"),
        (pack(("C:\\a.csv", b"x")), "a path outside it"),
        (pack(("..\\a.csv", b"x")), "a path outside it"),
        (pack(("a", b"/etc"), external_attr=stat.S_IFLNK << 16), "a link or device"),
        (pack(("a", b"x"), external_attr=stat.S_IFIFO << 16), "a link or device"),
        (pack(("b.zip", pack(("a", b"x")))), "contains another archive"),
        (pack(("b.csv", gzip.compress(b"x"))), "contains another archive"),
        (gzip.compress(gzip.compress(b"x")), "contains another archive"),
        (gzip.compress(pack(("a", b"x"))), "contains another archive"),
        (pack(("a", b"x" * 100))[:60], "damaged"),
        (gzip.compress(os.urandom(500))[:300], "damaged"),
        (gzip.compress(b"abc")[:-8] + b"\0" * 8, "damaged"),
    ],
    ids=(
        "a long file",
        "a long gzip",
        "a long member",
        "long members",
        "many members",
        "above",
        "above by a way round",
        "absolute",
        "a drive",
        "above with backslashes",
        "a link",
        "a pipe",
        "a zip in a zip",
        "a gzip in a zip",
        "a gzip in a gzip",
        "a zip in a gzip",
        "a cut zip",
        "a cut gzip",
        "a wrong checksum",
    ),
)
def test_a_trap_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read(data, SMALL)


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(pack(("a.csv", b"x")))
    # The flag of the member in the list at the end.
    data[data.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(UnreadableFile, match="encrypted"):
        read(bytes(data))


def test_one_that_lies_about_its_size_is_cut_where_it_said() -> None:
    data = bytearray(pack(("a.csv", BOMB)))
    start = data.index(b"PK\x01\x02")
    data[start + 24 : start + 28] = (100).to_bytes(4, "little")

    with pytest.raises(UnreadableFile, match="damaged"):
        read(bytes(data))


def test_what_follows_is_not_unpacked_before_it_is_asked_for() -> None:
    data = pack(("a.csv", b"abc"), ("b.csv", gzip.compress(b"x")))

    with unpack(Metered(io.BytesIO(data)), LIMITS) as files:
        name, file = next(files)
        first: IO[bytes] = file
        assert (name, first.read()) == ("a.csv", b"abc")
        with pytest.raises(UnreadableFile, match="another archive"):
            next(files)
