"""What imports leave in memory: resident MiB of intake and workers, as they go by.

`python -m tests.benchmarks.memory` sends a million, by batches of 500, and prints a
Markdown table; some ten minutes.
"""

import click

from tests.benchmarks.scenarios import System, run
from tests.benchmarks.targets import find_target

_SECONDS = 20.0
_MIB = 2**20


def _row(system: System) -> tuple[int, float, float]:
    memory = system.memory()
    count = int(system.ask("SELECT count(*) FROM imports")[0])
    return count, memory["intake"] / _MIB, memory["workers"] / _MIB


@click.command()
@click.option("--imports", default=1_000_000, show_default=True)
def main(*, imports: int) -> None:
    """Print the memory of the largest process of each sort every 20 seconds."""
    click.echo("| imports | intake MiB | worker MiB |\n| --- | --- | --- |")
    with find_target(()) as target:
        system = System(target)
        count = 0
        while count < imports:
            requests = system.imports(batch=500)
            run(system, "memory", requests, connections=4, seconds=_SECONDS)
            count, intake, worker = _row(system)
            click.echo(f"| {count:,} | {intake:.0f} | {worker:.0f} |")
        system.connection.close()


if __name__ == "__main__":
    main()
