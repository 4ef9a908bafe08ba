"""Rewrites of a model's graph that keep its function; each edits a graph in place and says in how many places."""
