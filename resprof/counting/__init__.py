"""Exact counts by a formula walk over an architecture."""
