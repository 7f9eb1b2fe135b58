"""The broker door: messages of a queue become accepted imports."""
