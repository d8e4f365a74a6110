"""Tests; a package, so that one of the same name among installed ones does not take its place."""
