"""What other people's files, machines and moments do to resprof, each tried as it happens."""
