"""Reservations: stacks that belong to an owner for a time."""
