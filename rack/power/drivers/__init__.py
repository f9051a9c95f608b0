"""Power drivers of PiRack. Others are installed as entry points of `pirack.power_drivers`."""
