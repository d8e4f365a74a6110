"""Every claim of the paper, evaluated by computing it again; one file for each theme."""
