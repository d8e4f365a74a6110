"""Predictions held against a real device, and what only a device can tell them."""
