"""A RabbitMQ of the tests' own, from the system's programs."""

import os
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest
from kombu import Connection

from ingest.local.state import find_free_port
from tests.programs import find_program

#: Debian puts the program itself here; the one on PATH insists on its own user.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 60


class Rabbit:
    """One node, on ports and in directories of its own."""

    def __init__(self, directory: Path) -> None:
        self._program = find_program(_PROGRAM if _PROGRAM.exists() else _PROGRAM.name)
        self._epmd = find_program("epmd")
        port, mapper = find_free_port(), find_free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._log = directory / "log"
        self._environment = os.environ | {
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"penstock-{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(find_free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(directory / "none"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the node, and wait until it says that it is up."""
        with self._log.open("wb") as log:
            # In the foreground: the node would start one that stays when it ends.
            self._run(log, self._epmd, "-port", self._environment["ERL_EPMD_PORT"])
            self._run(log, self._program)
        with Connection(self.url, connect_timeout=2) as connection:
            try:
                connection.ensure_connection(
                    max_retries=_START_SECONDS, interval_start=1, interval_step=0
                )
            except connection.connection_errors:
                pytest.fail(self._log.read_text())

    def kill(self) -> None:
        """End the node at once, as a power failure does to its programs."""
        while self._processes:
            process = self._processes.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self, log: IO[bytes], *argv: str) -> None:
        self._processes.append(
            subprocess.Popen(
                argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )
