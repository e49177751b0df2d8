"""The chapter on the conditional VAE: a battery of measures and its verdict, on any model, and what
it is tested on."""
