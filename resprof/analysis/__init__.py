"""What figures say: checks against published ones, results of runs, what disturbed them."""
