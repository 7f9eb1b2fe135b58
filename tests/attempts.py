"""Attempts of each partition since its last commit."""

from ingest.store.partitions.states import select_partition_states
from tests.conftest import Connection


def count_attempts(connection: Connection) -> dict[int, int]:
    """Return the attempts by partition."""
    return {
        each.partition: each.attempts for each in select_partition_states(connection)
    }
