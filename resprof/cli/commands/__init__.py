"""One file per command: it reads options, asks for an answer, and hands tables to the output."""
