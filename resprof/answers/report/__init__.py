"""The report: every network counted, held against the paper, predicted and measured; written."""
