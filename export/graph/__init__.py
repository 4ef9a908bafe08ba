"""From a torch network to an ONNX graph, and what the graph looks like from outside."""
