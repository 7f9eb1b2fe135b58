"""The user that PostgreSQL runs as: it refuses root, and users without a name."""

import os
import pwd
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from ingest.domain.errors import PenstockError
from ingest.local.binaries import Binaries
from ingest.local.processes import Isolation, ProcessUser, launch_argv

_PROBE_SECONDS = 20
#: Holds what another user must reach when the state directory lies under a private one.
_PUBLIC_ROOT = Path("/var/lib/penstock")


class ForeignFiles(PenstockError):
    """The data belong to a user that we are not and cannot run as."""


def _runs(program: Path, account: ProcessUser) -> bool:
    """Try whether `program` runs at all as `account`."""
    argv = launch_argv((str(program), "--version"), account, 0)
    done = subprocess.run(  # noqa: S603 - our own launcher
        argv,
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd="/",
        timeout=_PROBE_SECONDS,
    )
    return done.returncode == 0


def _find_nobody() -> pwd.struct_passwd:
    """Find a user without rights; initdb wants one that the system knows."""
    for name in ("nobody", "daemon"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PenstockError(
        "PostgreSQL does not run as root, and this system has no user nobody. Start "
        "penstock as another user, or set DATABASE_URL."
    )


def _is_known(uid: int) -> bool:
    """Tell whether the system has a name for `uid`; containers often have none."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def choose_account(binaries: Binaries) -> ProcessUser:
    """Choose how the server runs: as we are, in a user namespace, or as nobody.

    The namespace comes first: it makes no user, and leaves every owner and mode as is.
    """
    is_root = os.geteuid() == 0
    if not is_root and _is_known(os.geteuid()):
        return ProcessUser()
    nobody = _find_nobody()
    namespace = ProcessUser(
        isolation=Isolation.NAMESPACE, uid=nobody.pw_uid, gid=nobody.pw_gid
    )
    if sys.platform == "linux" and _runs(binaries.server, namespace):
        return namespace
    if not is_root:
        raise PenstockError(
            f"PostgreSQL does not run as user {os.geteuid()}, which has no name on "
            "this system. Add the user to /etc/passwd, or set DATABASE_URL."
        )
    return ProcessUser(isolation=Isolation.USER, uid=nobody.pw_uid, gid=nobody.pw_gid)


def _is_reachable(path: Path) -> bool:
    """Tell whether everybody may pass through the directories above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def choose_home(state: Path, account: ProcessUser) -> Path:
    """Choose the directory that holds the data: the state directory where possible.

    Another user must be able to pass through it: then the state directory lets through
    without listing, and under a private directory the data lie in a public place, at
    a name made from the state directory's.
    """
    if account.isolation is not Isolation.USER:
        return state
    if _is_reachable(state):
        state.chmod(0o711)
        return state
    home = _PUBLIC_ROOT / sha256(os.fsencode(state)).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    for directory in (_PUBLIC_ROOT, home):
        directory.chmod(0o711)
    return home


def _copy_installation(installation: Path, target: Path) -> Path:
    """Copy a wheel's programs and libraries into `target`, once, for everybody."""
    package = installation.parent
    copy = target / package.name / installation.name
    if copy.exists():
        return copy
    half = copy.with_name(f"{copy.name}.tmp")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(installation, half, symlinks=True)
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        beside = target / libraries.name
        shutil.copytree(libraries, beside, symlinks=True, dirs_exist_ok=True)
    for directory in (target, copy.parent):
        directory.chmod(0o755)
    return half.replace(copy)


def reachable_binaries(
    binaries: Binaries, home: Path, account: ProcessUser
) -> Binaries:
    """Return programs that `account` can run: these, or a copy of them in `home`."""
    if account.isolation is not Isolation.USER or _runs(binaries.server, account):
        return binaries
    copy = _copy_installation(
        binaries.directory.parent, home / f"postgres-{binaries.version_text}"
    )
    directory = copy / binaries.directory.name
    return Binaries(
        directory=directory,
        server=directory / binaries.server.name,
        version=binaries.version,
        source=f"{binaries.source}, copied",
    )


def give(path: Path, account: ProcessUser) -> None:
    """Make `account` the owner of `path`."""
    if account.isolation is Isolation.USER:
        os.chown(path, account.uid, account.gid)


def check_owner(directory: Path, account: ProcessUser) -> None:
    """Raise ForeignFiles unless the server may own `directory`."""
    owner = directory.stat().st_uid
    wanted = account.uid if account.isolation is Isolation.USER else os.geteuid()
    if owner != wanted:
        raise ForeignFiles(
            f"{directory} belongs to user {owner}, but PostgreSQL would run as "
            f"{wanted}. Start penstock as user {owner}, or choose another --state-dir."
        )
