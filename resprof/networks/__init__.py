"""From an architecture to a module, and the one step that is traced, watched and timed."""
