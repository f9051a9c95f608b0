"""What the checkout needs itself: Debian packages without root, and the lookup of programs."""
