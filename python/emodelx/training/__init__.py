"""Training of the network on simulated maps."""
