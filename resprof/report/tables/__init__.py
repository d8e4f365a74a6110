"""From what a command answers to the tables that show it."""
