"""What a network costs, and why other tools report other figures."""
