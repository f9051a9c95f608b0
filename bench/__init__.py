"""Benchmarks of PiRack and of comparable programs."""
