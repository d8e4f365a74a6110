"""One workload on tensors without data: the memory events of its steps, for any batch size."""
