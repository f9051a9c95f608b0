"""The GPIO lines of the relays: a process that holds them, and its clients."""
