"""The file door: rows of files and uploads become accepted imports."""
