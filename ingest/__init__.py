"""Penstock: take profile imports in, through any door, and store what they did."""
