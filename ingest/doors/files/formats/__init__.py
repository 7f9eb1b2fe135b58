"""Formats of files: archives, tables, documents, and workbooks."""
