"""Experiments: plans of faults on reserved rasps, and their runs."""
