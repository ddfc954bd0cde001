"""A small card emulated on a large one, and what a server does on it."""
