"""What is in a report: which tables and charts, under which names and headings."""
