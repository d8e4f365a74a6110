"""Tables and charts as text, pages and pictures. Loads no torch."""
