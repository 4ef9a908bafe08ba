"""Networks of dense convolutions on levels of resolution: chains, U-Nets and all between."""
