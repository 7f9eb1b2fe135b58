"""Suggestions for the columns of files that other systems wrote (rules R1 to R10)."""
