"""Rolling restarts: which node is next, whether it may be stopped now, and how one that was begun is brought to its end."""
