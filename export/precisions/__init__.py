"""The number formats a graph can be written in, each a change of the graph itself."""
