"""The search space of HiNAS v2 (Zhang et al., arXiv 2012.13212)."""
