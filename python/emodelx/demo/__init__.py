"""An example that the project makes by itself: a synthetic complex, its map, and how much of it a build recovers."""
