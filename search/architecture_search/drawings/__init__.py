"""What a search draws: the genotype, and its own course."""
