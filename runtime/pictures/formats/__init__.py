"""One module for each picture format, and what reads and writes PNG and TIFF in parts."""
