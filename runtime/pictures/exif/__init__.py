"""EXIF blocks and TIFF directories, byte by byte."""
