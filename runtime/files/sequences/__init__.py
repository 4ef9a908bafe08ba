"""What holds more than one picture, from file to file: films, animations, and TIFFs of several pages."""
