"""What bounds a network on a device, and how near a run came to that."""
