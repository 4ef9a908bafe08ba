"""Published denoising networks as ONNX graphs, to be timed beside ours; with weights of your own also scored."""
