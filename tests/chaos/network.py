"""A network to Postgres that can be cut: a cable where permitted, a relay anywhere.

Where this process may make network namespaces the relay listens in one of its own, at
the far end of a pair of virtual interfaces. Pulling that cable loses packets silently,
as a dead switch does. Elsewhere the relay listens on another address of this machine.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import randbelow, token_hex

#: Where the relay listens without a namespace.
_SECOND_ADDRESS = "127.0.0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The way from the group to its Postgres."""

    #: Under which the group is to reach Postgres.
    address: str
    relay: subprocess.Popen[str]
    #: None without one.
    namespace: str | None

    def order(self, order: str) -> None:
        """Tell the relay: `open`, `hold` or `reset`."""
        assert self.relay.stdin is not None
        self.relay.stdin.write(f"{order}\n")
        self.relay.stdin.flush()

    def pull(self) -> None:
        """Pull the cable; packets are lost."""
        _ip("-n", str(self.namespace), "link", "set", "far", "down")

    def plug(self) -> None:
        """Put the cable back."""
        _ip("-n", str(self.namespace), "link", "set", "far", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


def _make_cable(stack: ExitStack, namespace: str, subnet: str) -> None:
    _ip("netns", "add", namespace)
    stack.callback(_ip, "netns", "delete", namespace)
    # Deleting the namespace deletes both ends.
    near = f"near-{namespace[-6:]}"
    pair = ("type", "veth", "peer", "name", "far", "netns", namespace)
    _ip("link", "add", near, *pair)
    _ip("address", "add", f"{subnet}.1/30", "dev", near)
    _ip("link", "set", near, "up")
    _ip("-n", namespace, "address", "add", f"{subnet}.2/30", "dev", "far")
    _ip("-n", namespace, "link", "set", "far", "up")


def _try_cable(stack: ExitStack) -> tuple[str, str] | None:
    """Make a namespace and its cable; return its name and far address, or None."""
    if not shutil.which("ip"):
        return None
    # A deleted namespace lingers, so each has a name and a place of its own.
    namespace = f"penstock-chaos-{token_hex(3)}"
    # Of a network that is for tests of this kind (RFC 2544).
    subnet = f"198.{18 + randbelow(2)}.{randbelow(256)}"
    try:
        _make_cable(stack, namespace, subnet)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return namespace, f"{subnet}.2"


@contextmanager
def network_to(port: int) -> Iterator[Network]:
    """Lead to `port` of 127.0.0.1 from the same port of another address."""
    with ExitStack() as stack:
        cable = _try_cable(stack)
        namespace, address = cable or (None, _SECOND_ADDRESS)
        argv = [sys.executable, "-m", "tests.chaos.relay", "--port", str(port)]
        if namespace:
            argv += ["--namespace", namespace]
        relay = stack.enter_context(
            subprocess.Popen(
                [*argv, "--address", address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                # Ctrl-C is for the run to hear, which then closes the input.
                start_new_session=True,
            )
        )
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n"
        yield Network(address=address, relay=relay, namespace=namespace)
