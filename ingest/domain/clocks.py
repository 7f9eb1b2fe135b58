"""Whether the clocks agree that stored rows are old: before anything is dropped."""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Clocks further apart are wrong; hosts without NTP differ by minutes.
MAX_APART = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The time by each clock; None for an unknown one."""

    postgres: datetime
    redis: datetime
    #: The newest moment at which an import or a heartbeat was applied; None for never.
    newest: datetime | None

    def find_disagreement(self) -> str:
        """Say which is an hour or more from Postgres' clock; empty if none is.

        Receipts go by the clocks of other hosts than Postgres': if the newest is far
        from its time, one of the two is wrong, or nothing was applied meanwhile, and
        there is no telling which.
        """
        others = {"the Redis clock": self.redis, "the newest receipt": self.newest}
        apart = [
            f"{name} is {_show(moment - self.postgres)}"
            for name, moment in others.items()
            if moment is not None and abs(moment - self.postgres) >= MAX_APART
        ]
        if not apart:
            return ""
        return (
            f"the Postgres clock is {self.postgres:%Y-%m-%d %H:%M}; {', '.join(apart)}"
        )


def _show(gap: timedelta) -> str:
    hours = abs(gap) / timedelta(hours=1)
    return f"{hours:.1f} h {'ahead' if gap > timedelta() else 'behind'}"
