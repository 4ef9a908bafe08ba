"""Files that hold more than one picture: animations, and TIFFs of several pages."""
