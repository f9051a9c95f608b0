"""Installs: their stages, journal, recovery and progress."""
