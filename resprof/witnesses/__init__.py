"""Counts of the same modules by tools that do not know our formulas."""
