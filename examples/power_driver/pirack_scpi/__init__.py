"""PiRack power driver for laboratory power supplies with SCPI."""
