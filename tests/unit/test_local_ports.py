"""On which port the console of `penstock up` is found."""

import socket
from contextlib import ExitStack, closing

from ingest.local.group import listen_console
from ingest.local.state import find_free_port


def test_the_console_is_on_the_first_port_and_says_nothing() -> None:
    said: list[str] = []
    port = find_free_port()

    with closing(listen_console([port], tell=said.append)) as listener:
        assert listener.getsockname() == ("127.0.0.1", port)

    assert said == []


def test_the_next_free_port_is_taken_and_said_in_words() -> None:
    said: list[str] = []
    first, second, third = find_free_port(), find_free_port(), find_free_port()

    with ExitStack() as stack:
        for port in (first, second):
            stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
        listener = listen_console([first, second, third], tell=said.append)
        stack.enter_context(closing(listener))
        assert listener.getsockname()[1] == third

    assert said == [f"port {first} is taken; the console is on {third} instead"]


def test_any_port_will_do_when_all_are_taken() -> None:
    said: list[str] = []
    port = find_free_port()

    with (
        closing(socket.create_server(("127.0.0.1", port))),
        closing(listen_console([port], tell=said.append)) as listener,
    ):
        chosen = listener.getsockname()[1]

    assert chosen not in (0, port)
    assert said == [f"port {port} is taken; the console is on {chosen} instead"]
