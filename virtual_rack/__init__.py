"""A rack without hardware: pins, sensors and network are simulated, all else is the real thing."""
