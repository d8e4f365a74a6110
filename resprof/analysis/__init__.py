"""Checks against published figures, and statistics."""
