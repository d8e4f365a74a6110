"""A report as a page: one file that opens without a network, with or without a script."""
