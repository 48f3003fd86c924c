"""What the peers run: programs of their own environment, which has their libraries and nothing of Heraut."""
