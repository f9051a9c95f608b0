"""ISC dhcpd: its configuration file, its checks and its log."""
