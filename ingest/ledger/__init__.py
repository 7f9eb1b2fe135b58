"""The ledger: accepted imports reconciled with their outcomes."""
