"""Embedded PostgreSQL and Valkey, and the supervisor of the one-command default."""
