"""The vocabulary: frozen records that every room speaks in, and their JSON."""
