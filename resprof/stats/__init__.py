"""What a few values support: intervals, percentiles, how many more to take, a verdict."""
