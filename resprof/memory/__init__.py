"""The memory of a step on a GPU, predicted from its events without one. Loads no torch."""
