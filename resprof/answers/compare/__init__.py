"""How runs compare with a baseline and with published results."""
