"""What is run, as data: networks, recipes, devices, and what has been published about them."""
