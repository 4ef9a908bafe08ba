"""What an exported model is held to: numbers against torch, quality on real images."""
