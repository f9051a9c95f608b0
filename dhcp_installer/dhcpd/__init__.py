"""The DHCP server: its configuration, its checks and its log."""
