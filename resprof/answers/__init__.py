"""One room per question: its record, its computation, its tables."""
