"""What PiRack costs, measured beside its peers: `bench.exporter`, `bench.soak`, `bench.installer`."""
