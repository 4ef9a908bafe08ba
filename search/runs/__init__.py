"""What a search or a training leaves on disk, shows while it works, and does when it is stopped."""
