"""Files in and out: density maps, sequences, structures, predictions."""
