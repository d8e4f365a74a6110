"""What is drawn: charts made from records, one file per kind."""
