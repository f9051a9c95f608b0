"""Virtual rack, which simulates the pins, sensors and network of a rack."""
