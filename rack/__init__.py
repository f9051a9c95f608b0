"""Layout, inventory, relays and database of a rack."""
