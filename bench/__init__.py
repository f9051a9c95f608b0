"""What PiRack costs and how long it takes, beside its peers: one module a subject."""
