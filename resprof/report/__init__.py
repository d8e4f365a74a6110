"""A table or a chart to text: for a terminal, Markdown, CSV, JSON and HTML."""
