"""What networks are trained for: each task is one file that degrades clean images and says what is scored."""
