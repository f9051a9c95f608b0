"""Installs: their stages, the journal, recovery after an interruption, and progress."""
