"""Postgres: one package per noun, static statements, no commits."""
