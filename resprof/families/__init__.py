"""One file per family: its names, its walk, its module's paths. No torch: a module goes by name."""
