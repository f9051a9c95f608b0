"""SSH connections to the rasps, their pinned host keys, and the key of the master."""
