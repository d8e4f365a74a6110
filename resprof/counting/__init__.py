"""Exact counts by a formula walk over an architecture, and the traffic of its operators."""
