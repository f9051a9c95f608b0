"""Installs, replacements and swaps, as the controller does them: one at a time, and recorded."""
