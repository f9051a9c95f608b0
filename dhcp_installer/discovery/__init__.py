"""Discovery of the stack of each rasp: strategies, their runner, DHCP and ping events."""
