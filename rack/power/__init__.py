"""Power of the rasps: outlets, the drivers that switch them, and what was commanded."""
