"""Backup of a rack in one archive, and its restoration."""
