"""Encodings of files: marked, requested, or found; never a silent guess."""
