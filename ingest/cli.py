"""The `penstock` command: lists its subcommands and loads the one that is run."""

import sys
from dataclasses import dataclass
from importlib import import_module

import click

# Loaded for the table below, which looks errors up among what is loaded.
import ingest.domain.errors  # noqa: F401

#: Name → module, click command, and help line. Loading all of them for the help page
#: would take longer than most of them run.
_COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": (
        "ingest.commands.demo",
        "demo",
        "Run a self-contained demo and check the results.",
    ),
    "up": ("ingest.commands.up", "up", "Run the complete stack on this machine."),
    "intake": ("ingest.commands.intake", "intake", "Accept imports over HTTP."),
    "consume": ("ingest.commands.consume", "consume", "Accept imports from a queue."),
    "import": ("ingest.commands.files.import_files", "import_", "Import files."),
    "jobs": (
        "ingest.commands.jobs",
        "jobs",
        "List, follow, and cancel imports of files.",
    ),
    "export": (
        "ingest.commands.export",
        "export",
        "Export the profiles of a database.",
    ),
    "undo": ("ingest.commands.undo", "undo", "Undo imports."),
    "console": ("ingest.commands.console", "console", "Serve the operator console."),
    "status": (
        "ingest.commands.status",
        "status",
        "Show throughput, backlog, and outcomes.",
    ),
    "imports": (
        "ingest.commands.imports",
        "imports",
        "Find, list, and explain imports.",
    ),
    "profiles": (
        "ingest.commands.profiles",
        "profiles",
        "Show, merge, and part profiles.",
    ),
    "consent": (
        "ingest.commands.consent",
        "consent",
        "Show and raise statuses of subscriptions.",
    ),
    "held": (
        "ingest.commands.held",
        "held",
        "List and decide imports that wait for a decision.",
    ),
    "events": ("ingest.commands.events", "events", "Show and resend events."),
    "audit": (
        "ingest.commands.audit",
        "audit_command",
        "Reconcile accepted imports with outcomes.",
    ),
    "exporter": ("ingest.commands.exporter", "exporter", "Serve metrics."),
    "migrate": ("ingest.commands.migrate", "migrate", "Apply database migrations."),
    "keys": ("ingest.commands.keys", "keys", "Rebuild or prune match keys."),
    "catalog": (
        "ingest.commands.catalog",
        "catalog",
        "Plan, apply, or print the catalog.",
    ),
    "token": ("ingest.commands.token", "token", "Create, list, and revoke API tokens."),
    "suppression": (
        "ingest.commands.suppression",
        "suppression",
        "Manage contacts that must not be subscribed.",
    ),
    "segment": (
        "ingest.commands.segment",
        "segment",
        "List, preview, rebuild, and audit segments.",
    ),
    "endpoint": (
        "ingest.commands.endpoint",
        "endpoint",
        "List event endpoints; show secrets; re-enable.",
    ),
    "doctor": (
        "ingest.commands.doctor",
        "doctor",
        "Check the deployment for problems.",
    ),
    "health": (
        "ingest.commands.health",
        "health",
        "Check that workers make progress.",
    ),
    "dead-letters": (
        "ingest.commands.dead_letters",
        "dead_letters",
        "Inspect, replay, or discard dead letters.",
    ),
    "partitions": (
        "ingest.commands.partitions",
        "partitions",
        "Show or change the number of partitions.",
    ),
    "completion": (
        "ingest.commands.completion",
        "completion",
        "Print a shell completion script.",
    ),
}
#: Old name → name; not listed.
_ALIASES = {"dead": "dead-letters"}


#: Exit statuses of a command that documents none of its own.
_EXIT_STATUS = """\b
Exit status:
  0  success
  1  error; the last line gives the reason
  2  usage error, or a missing or invalid setting"""


def _document_exits(command: click.Command) -> None:
    """Add the exit statuses to a command and its subcommands that document none."""
    if "Exit status" not in (command.epilog or ""):
        command.epilog = f"{command.epilog or ''}\n\n{_EXIT_STATUS}"
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _document_exits(below)


class _Misconfigured(click.ClickException):
    """A setting is missing or invalid, which ends like a wrong option."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explanation:
    """The line that an operator reads instead of a traceback."""

    module: str
    error: str
    text: str
    #: What to do, unless a server has answered.
    remedy: str = ""
    failure: type[click.ClickException] = click.ClickException


#: The first that fits is printed. A library that is not loaded has raised nothing, and
#: loading it here would slow down every `--help`.
_EXPLANATIONS = (
    _Explanation(
        module="psycopg.errors",
        error="UndefinedTable",
        text="Penstock's tables do not exist. To create them: penstock migrate",
    ),
    _Explanation(
        module="psycopg",
        error="OperationalError",
        text="Postgres: {}",
        remedy=" Check that Postgres is running and that DATABASE_URL is correct.",
    ),
    _Explanation(
        module="redis.exceptions",
        error="ConnectionError",
        text="Redis: {}",
        remedy=" Check that Redis is running and that REDIS_URL is correct.",
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
    # Libraries write several lines.
    text = " ".join(str(error).split())
    # An error with a code is the answer of a running server.
    remedy = "" if getattr(error, "sqlstate", None) else explanation.remedy
    end = "." if remedy and text[-1:] not in ".?" else ""
    return explanation.failure(explanation.text.format(text) + end + remedy)


class _Commands(click.Group):
    """Group that loads a subcommand when it is run, and explains its known errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands in the order in which they are first needed."""
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
        """Run the subcommand; print one line for an error that an operator can fix."""
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
    """Self-hosted ingestion pipeline for customer profiles."""


if __name__ == "__main__":
    main()
