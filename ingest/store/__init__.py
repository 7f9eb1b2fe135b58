"""Postgres: one module per noun, static statements, no commits."""
