"""Folders of any size on many machines: names of files anywhere, the work of one worker, the run on Ray, the table."""
