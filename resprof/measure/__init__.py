"""Clocks, rounds, memory and environment; one child process per configuration."""
