"""results.json: its entries, tables and comparisons."""
