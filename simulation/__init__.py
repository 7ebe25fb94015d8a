"""The model: the same visits, walked on simulated time."""
