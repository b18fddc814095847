"""Bindings to the contracts, transaction sender, development chains, deployment."""
