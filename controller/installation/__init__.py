"""Installs, replacements and swaps, run by the controller."""
