"""The DHCP installer: learns by power which Raspberry Pi sits where."""
