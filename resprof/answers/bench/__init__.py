"""How fast it runs, how sure that is, and what disturbed it."""
