"""Unsupervised multi-modal music clustering with variational autoencoders: the helpers of the book."""

