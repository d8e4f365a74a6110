"""A recipe turned into the step that is traced, watched and timed: one code for all three."""
