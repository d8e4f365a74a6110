"""One file per command: it reads options, asks a job, and hands tables to the output."""
