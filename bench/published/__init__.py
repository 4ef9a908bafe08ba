"""The figures that the papers print, as data, each with its table, its conditions and its protocol."""
