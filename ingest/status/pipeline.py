"""How the whole pipeline stands: what the streams and Postgres say, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.flow import Flow, FlowMeter
from ingest.store.endpoints import EndpointState, list_endpoints
from ingest.store.overviews import (
    OutcomeCount,
    count_dead_letters,
    count_outcomes,
    load_drained,
)
from ingest.streams.waiting import Streams, StreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that an operator sees at a glance."""

    flow: Flow
    streams: Sequence[StreamState]
    #: By partition; None for one that was never drained.
    drained_at: Mapping[int, datetime | None]
    #: Of the last minute.
    outcomes: Sequence[OutcomeCount]
    dead_letters: int
    endpoints: Sequence[EndpointState]

    @property
    def waiting(self) -> int:
        """How many imports wait, over all partitions."""
        return sum(each.waiting for each in self.streams)

    @property
    def oldest_accepted_at(self) -> datetime | None:
        """When the oldest waiting import was accepted; None when none waits."""
        moments = [each.oldest_accepted_at for each in self.streams]
        return min((each for each in moments if each is not None), default=None)


def read_standing(
    connection: Connection[TupleRow], streams: Streams, meter: FlowMeter, at: float
) -> Standing:
    """Look at everything once, `at` seconds of a clock that only `meter` reads."""
    states = streams.states()
    sample(meter, states, at)
    return gather_standing(connection, states, meter.flow())


def gather_standing(
    connection: Connection[TupleRow], states: Sequence[StreamState], flow: Flow
) -> Standing:
    """Put what the streams said beside what Postgres says now."""
    return Standing(
        flow=flow,
        streams=states,
        drained_at=load_drained(connection),
        outcomes=count_outcomes(connection),
        dead_letters=count_dead_letters(connection),
        endpoints=list_endpoints(connection),
    )


def sample(meter: FlowMeter, states: Sequence[StreamState], at: float) -> None:
    """Note how the streams stand."""
    totals = [each.accepted for each in states if each.accepted is not None]
    meter.note(
        at,
        accepted=sum(totals) if len(totals) == len(states) else None,
        waiting=sum(each.waiting for each in states),
    )
