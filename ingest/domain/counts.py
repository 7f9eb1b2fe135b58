"""Numbers of things, in words."""


def count(number: float, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 import`, `2,000 imports`."""
    return f"{number:,.0f} {one if number == 1 else many or f'{one}s'}"
