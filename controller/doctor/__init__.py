"""Read-only checks of the master, whose findings name the fix. See docs/reference/doctor.md."""
