"""Reading the map: the network, its weights, tiled prediction."""
