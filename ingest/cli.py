"""The `penstock` command: names its subcommands and loads the one that is run."""

import sys
from dataclasses import dataclass
from importlib import import_module

import click

# Loaded for the table below, which looks errors up among what is loaded.
import ingest.domain.errors  # noqa: F401

#: Name → where the click command is, and what `penstock --help` says of it. Loading
#: them all to ask them would take longer than most of them run.
_COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("ingest.commands.demo", "demo", "Show a first import, from nothing."),
    "up": ("ingest.commands.up", "up", "Run everything, servers included."),
    "intake": ("ingest.commands.intake", "intake", "Accept imports over HTTP."),
    "consume": ("ingest.commands.consume", "consume", "Accept imports from a queue."),
    "import": ("workers.commands.import_files", "import_", "Import files."),
    "console": ("workers.commands.console", "console", "Serve the operators' pages."),
    "status": ("ingest.commands.status", "status", "Show whether imports flow."),
    "imports": ("ingest.commands.imports", "imports", "Find and follow imports."),
    "profiles": ("ingest.commands.profiles", "profiles", "Show profiles' histories."),
    "events": ("ingest.commands.events", "events", "Show events and deliveries."),
    "audit": ("ingest.commands.audit", "audit_command", "Prove that none is lost."),
    "exporter": ("ingest.commands.exporter", "exporter", "Serve metrics."),
    "migrate": ("ingest.commands.migrate", "migrate", "Bring the schema up to date."),
    "keys": ("ingest.commands.keys", "keys", "Make match keys anew."),
    "catalog": ("ingest.commands.catalog", "catalog", "Plan, apply, show what exists."),
    "token": ("ingest.commands.token", "token", "Create, list and revoke API tokens."),
    "endpoint": ("ingest.commands.endpoint", "endpoint", "Show where events go."),
    "doctor": ("ingest.commands.doctor", "doctor", "Look for what bites."),
    "health": ("ingest.commands.health", "health", "Say whether a worker gets on."),
    "dead-letters": (
        "workers.commands.dead_letters",
        "dead_letters",
        "Inspect, replay, or discard dead letters.",
    ),
    "partitions": ("ingest.commands.partitions", "partitions", "Spread the streams."),
    "completion": ("ingest.commands.completion", "completion", "Complete in a shell."),
}
#: Old name → name; not listed.
_ALIASES = {"dead": "dead-letters"}


#: What is said of a command that ends in no other way.
_EXIT_STATUS = """\b
Exit status:
  0  done
  1  it failed, and the last line says why
  2  wrong usage, or a setting is missing or malformed"""


def _document_exits(command: click.Command) -> None:
    """Say how a command may end, and all below it, unless it says so itself."""
    if "Exit status" not in (command.epilog or ""):
        command.epilog = f"{command.epilog or ''}\n\n{_EXIT_STATUS}"
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _document_exits(below)


class _Misconfigured(click.ClickException):
    """It was not started rightly, as with a wrong option."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explanation:
    """What an operator is told of an error, instead of a traceback."""

    module: str
    error: str
    text: str
    #: What to ask oneself, unless a server has answered.
    question: str = ""
    failure: type[click.ClickException] = click.ClickException


#: The first that fits is told. A library that is not loaded has raised nothing, and
#: loading it here would slow down every `--help`.
_EXPLANATIONS = (
    _Explanation(
        module="psycopg.errors",
        error="UndefinedTable",
        text="The database lacks Penstock's tables; run: penstock migrate",
    ),
    _Explanation(
        module="psycopg",
        error="OperationalError",
        text="Postgres: {}",
        question=" (Does it run? Does DATABASE_URL name it?)",
    ),
    _Explanation(
        module="redis.exceptions",
        error="ConnectionError",
        text="Redis: {} (Does it run? Does REDIS_URL name it?)",
    ),
    _Explanation(
        module="ingest.settings",
        error="InvalidSettings",
        text="{}",
        failure=_Misconfigured,
    ),
    _Explanation(module="ingest.domain.errors", error="PenstockError", text="{}"),
)


def _explained_errors() -> dict[type[BaseException], _Explanation]:
    return {
        getattr(sys.modules[each.module], each.error): each
        for each in _EXPLANATIONS
        if each.module in sys.modules
    }


def _explain(error: BaseException) -> click.ClickException:
    explanation = next(
        explanation
        for class_, explanation in _explained_errors().items()
        if isinstance(error, class_)
    )
    # Libraries speak in several lines.
    text = " ".join(str(error).split())
    # An error with a code is the answer of a server that runs.
    question = "" if getattr(error, "sqlstate", None) else explanation.question
    return explanation.failure(explanation.text.format(text) + question)


class _Commands(click.Group):
    """The subcommands, loaded when asked for; their known errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the subcommands in the order in which they are first needed."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a subcommand."""
        row = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if row is None:
            return None
        module, name, _ = row
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            return None
        _document_exits(command)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the subcommands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; explain an error that an operator can do away with."""
        try:
            return super().invoke(ctx)
        except tuple(_explained_errors()) as error:
            raise _explain(error) from error


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Example:
  penstock up
  DATABASE_URL=postgresql://… REDIS_URL=redis://… penstock intake""",
)
@click.version_option(package_name="penstock")
def main() -> None:
    """Take in customer profiles: nothing lost, nothing applied twice."""


if __name__ == "__main__":
    main()
