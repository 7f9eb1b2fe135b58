"""How rates follow workers and partitions on this machine, as a Markdown table.

`python -m tests.benchmarks.curve` starts a Penstock for each pair, some five minutes.
"""

import os
from itertools import product

import click

from tests.benchmarks.render import shorten
from tests.benchmarks.scenarios import Measured, System, run
from tests.benchmarks.targets import find_target

_WARM_SECONDS = 3.0


def measure(workers: int, partitions: int, seconds: float) -> Measured:
    """Import new customers over 256 waiting connections to a system of its own."""
    os.environ["PENSTOCK_PARTITIONS"] = str(partitions)
    with find_target(("--workers", str(workers))) as target:
        system = System(target)
        run(system, "warm", system.imports(), connections=64, seconds=_WARM_SECONDS)
        name = f"{workers} workers, {partitions} partitions"
        measured = run(system, name, system.imports(), connections=256, seconds=seconds)
        system.connection.close()
        return measured


@click.command()
@click.option("--workers", multiple=True, type=int, default=(1, 2, 4))
@click.option("--partitions", multiple=True, type=int, default=(1, 4, 8))
@click.option("--seconds", default=8.0, show_default=True)
def main(
    *, workers: tuple[int, ...], partitions: tuple[int, ...], seconds: float
) -> None:
    """Print a row a number of workers, a column a number of partitions."""
    rates = {}
    for pair in product(workers, partitions):
        measured = measure(*pair, seconds)
        click.echo(f"{measured.name}: {shorten(measured)}", err=True)
        rates[pair] = f"{measured.per_second:,.0f}"
    heads = " | ".join(f"{count} partitions" for count in partitions)
    click.echo(f"| imports/s, 256 waiting | {heads} |")
    click.echo(f"| --- {'| --- ' * len(partitions)}|")
    for each in workers:
        told = " | ".join(rates[each, count] for count in partitions)
        click.echo(f"| {each} workers | {told} |")


if __name__ == "__main__":
    main()
