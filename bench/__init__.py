"""Measure latency and quality, and draw the speed-versus-PSNR trade-off.

Three words for what is measured:

- A *method* is anything that denoises: a network, a classical algorithm, a program. It is timed (`TimedMethod`: what a
  process of its own is told to run), scored (`ScoredMethod`: a function from a noisy image to a clean one), or both.
- A *network* is a method that lies in a model file. `NetworkFile` is the file, `OpenNetwork` the file on one backend in
  one precision. In results `model` is the name of a method.
- A *peer* is a published method that is measured beside ours: a network of ours to build, or a classical algorithm.

Folders import only those before them in this list: devices, results, quality, peers, latency, methods, prices,
projection, published, report. The modules of this folder use them all.
"""
