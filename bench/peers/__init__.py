"""Published methods: networks as ONNX graphs, with weights of your own also scored, and classical algorithms."""
