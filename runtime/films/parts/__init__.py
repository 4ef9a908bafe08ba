"""A film's compressed pictures in parts, each a file that is whole, so that a film that was stopped goes on."""
