"""Status of the pipeline: streams and Postgres, one round trip each, for every view.

What a figure is called and how it is counted is said here and in the statements that it
selects; exporter, console, `penstock status`, doctor, and liveness only show it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ingest.domain.flow import Flow, FlowMeter
from ingest.domain.progress import Holder, PartitionProgress
from ingest.store.database import Connection
from ingest.store.events.endpoints import EndpointState, select_endpoints
from ingest.store.overviews import (
    HeldCount,
    OutcomeCount,
    select_dead_letters,
    select_held,
    select_outcomes,
)
from ingest.store.partitions.states import PartitionState, select_partition_states
from ingest.streams.states import StreamsState


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """State of the pipeline in Postgres at one moment."""

    partitions: Mapping[int, PartitionState]
    endpoints: Sequence[EndpointState]
    #: Open ones.
    dead_letters: int
    held: HeldCount

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """Read it, in one round trip."""
        with connection.pipeline():
            partitions = select_partition_states(connection)
            endpoints = select_endpoints(connection)
            dead_letters = select_dead_letters(connection)
            held = select_held(connection)
            return cls(
                partitions={each.partition: each for each in partitions},
                endpoints=endpoints.fetchall(),
                dead_letters=dead_letters.fetchone() or 0,
                held=held.fetchone() or HeldCount(count=0, oldest_accepted_at=None),
            )

    def find_drained_at(self, partition: int) -> datetime | None:
        """Return when a batch of `partition` was last committed; None for never."""
        state = self.partitions.get(partition)
        return state.drained_at if state else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """Everything that an operator sees at a glance."""

    flow: Flow
    streams: StreamsState
    store: StoreState
    #: Of the last minute.
    outcomes: Sequence[OutcomeCount]


def read_status(
    connection: Connection, streams: StreamsState, flow: Flow
) -> PipelineStatus:
    """Read what Postgres adds to the state of the streams."""
    return PipelineStatus(
        flow=flow,
        streams=streams,
        store=StoreState.read(connection),
        outcomes=select_outcomes(connection).fetchall(),
    )


def list_progress(
    streams: StreamsState, partitions: Mapping[int, PartitionState]
) -> list[PartitionProgress]:
    """Return the backlog of each partition with its last commit and its lease."""
    return [
        PartitionProgress(
            partition=stream.partition,
            waiting=stream.waiting,
            oldest_seconds=None
            if stream.oldest_accepted_at is None
            else (streams.at - stream.oldest_accepted_at).total_seconds(),
            drained_seconds=state.drained_seconds if state else None,
            holder=_find_holder(state),
        )
        for stream in streams.streams
        for state in [partitions.get(stream.partition)]
    ]


def _find_holder(state: PartitionState | None) -> Holder | None:
    if state is None or state.holder is None:
        return None
    return Holder(
        name=state.holder,
        is_working=bool(state.is_working),
        seconds=state.holder_seconds or 0.0,
    )


def sample(meter: FlowMeter, streams: StreamsState, at: float) -> None:
    """Give `meter` the state of the streams, read at `at` seconds of any one clock."""
    meter.note(at, accepted=streams.accepted, waiting=streams.waiting)
