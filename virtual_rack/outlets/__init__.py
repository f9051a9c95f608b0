"""Virtual devices that switch power: a PoE switch, smart plugs and a program, as real servers."""
