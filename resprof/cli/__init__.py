"""The command line: options, screens, exit codes."""
