"""Walk-forward validation of the margin model on real prices, without look-ahead."""
