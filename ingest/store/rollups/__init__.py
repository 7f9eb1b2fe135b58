"""Counts of receipts and attempts by the minute and by the hour."""
