"""How a chart is drawn: SVG, PNG and a page that answers the pointer."""
