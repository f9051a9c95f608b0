"""The command `pirack card`, which prepares an image for all SD cards of a rack."""
