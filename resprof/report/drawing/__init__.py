"""How it is drawn: a chart becomes SVG, PNG and a page that answers the pointer."""
