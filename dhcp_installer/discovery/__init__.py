"""Discovery of the stack of each rasp: strategies, DHCP and ping events, and the runner."""
