"""Architectures and published facts as data."""
