"""What this machine is, and what about it would spoil a measurement."""
