"""The methods of a session: model files found and opened, peers and programs, each ready to be timed or scored."""
