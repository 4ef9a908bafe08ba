"""Files and folders in, files and folders out: stages, pipeline, progress."""
