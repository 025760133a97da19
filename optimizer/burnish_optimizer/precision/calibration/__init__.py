"""What activations are, over calibration samples: histograms in bounded memory, and ranges from them."""
