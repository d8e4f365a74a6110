"""What a workload takes on a GPU, and the largest batch that fits."""
