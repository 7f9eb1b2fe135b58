"""Partitions in Postgres: leases, positions, and progress."""
