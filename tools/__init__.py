"""Development tools: Debian packages without root, and lookup of programs."""
