"""Requests whose bodies are sent by hand, as slowly as a test wants."""

import socket
from urllib.parse import urlsplit

IMPORT = "/api/v1.1/profiles/import"


def open_request(
    url: str, length: int | None, path: str = IMPORT, **headers: str
) -> socket.socket:
    """Send the head of a POST whose body has `length` bytes, or any number."""
    told = urlsplit(url)
    size = (
        "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    )
    lines = [f"POST {path} HTTP/1.1", "Host: a", size, "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    opened = socket.create_connection((told.hostname, told.port), timeout=30)
    opened.sendall("\r\n".join([*lines, "", ""]).encode())
    return opened


def read_answer(opened: socket.socket) -> str:
    """Return all that comes until the other side closes, or one whole answer."""
    said = b""
    while data := opened.recv(65536):
        said += data
        head, found, body = said.partition(b"\r\n\r\n")
        if found and f"content-length: {len(body)}" in head.decode().lower():
            break
    return said.decode()
