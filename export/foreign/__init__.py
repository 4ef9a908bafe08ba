"""Networks that were not made here: understood, wrapped in hinas's inputs and output, and checked."""
