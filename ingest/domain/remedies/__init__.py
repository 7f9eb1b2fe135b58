"""Errors that a producer can meet: reason, sentence, and remedy of each."""
