"""Any trained model as functions on arrays: ours, or a user's own object with `encode` and `decode`.

Used by `battery.diagnose` and `transfer.swap` (page "CVAE: collapse or by design?")."""

from __future__ import annotations

import inspect

import numpy as np
import torch


class Network:
    """Any object with `encode` and `decode` as functions on arrays, in evaluation mode and without gradients.

    `encode(x)` or `encode(x, c)` returns (mu, logvar), `decode(z)` or `decode(z, c)` the reconstruction; c is passed
    one-hot to those that take a second argument. A context: at its end a torch module is back in the mode it had."""

    def __init__(self, model, n_classes: int):
        if missing := [name for name in ("encode", "decode") if not callable(getattr(model, name, None))]:
            raise ValueError(f"The model has no {missing[0]}(); it needs encode(x, c) -> mu, logvar and decode(z, c).")
        self.model, self.n_classes = model, n_classes
        self.sees_c = {name: _n_arguments(getattr(model, name)) > 1 for name in ("encode", "decode")}
        self.training = bool(getattr(model, "training", False))
        weights = next(iter(model.parameters()), None) if isinstance(model, torch.nn.Module) else None
        self.device = torch.device("cpu") if weights is None else weights.device
        self.dtype = torch.float32 if weights is None else weights.dtype
        if isinstance(model, torch.nn.Module):
            model.eval()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_) -> None:
        if isinstance(self.model, torch.nn.Module):
            self.model.train(self.training)

    def encode(self, X: np.ndarray, c: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """X (n, D), c (n,) codes -> mu (n, d), logvar (n, d). ValueError when they are missing or not finite."""
        out = self._call("encode", X, c)
        if not (isinstance(out, tuple) and len(out) >= 2 and out[1] is not None):
            raise ValueError("encode() must return (mu, logvar); a model without a posterior variance has no KL and "
                             "cannot collapse.")
        mu, logvar = (np.asarray(torch.as_tensor(part).cpu(), dtype=float) for part in out[:2])
        if mu.shape != logvar.shape or mu.ndim != 2 or len(mu) != len(X):
            raise ValueError(f"encode() returned shapes {mu.shape} and {logvar.shape} for {len(X)} rows; both must be "
                             "(n, d).")
        if bad := int((~(np.isfinite(mu) & np.isfinite(logvar))).any(axis=1).sum()):
            raise ValueError(f"encode() returned NaN or infinite values for {bad} of {len(X)} rows: the training "
                             "diverged, or X is not scaled.")
        return mu, logvar

    def squared_error(self, X: np.ndarray, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Mean squared error per row of the reconstruction of X (n, D) from z (n, d), (n,)."""
        out = self.decode(z, c)
        if out.shape != X.shape or not np.isfinite(out).all():
            raise ValueError(f"decode() must return finite values of shape {X.shape}; it returned shape {out.shape}"
                             f" with {int((~np.isfinite(out)).sum())} NaN or infinite values.")
        return ((out - X) ** 2).mean(axis=1)

    def decode(self, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """z (n, d), c (n,) codes -> reconstruction (n, D)."""
        return np.asarray(torch.as_tensor(self._call("decode", z, c)).cpu(), dtype=float)

    def _call(self, name: str, first: np.ndarray, c: np.ndarray | None):
        arguments = [torch.as_tensor(np.ascontiguousarray(first), dtype=self.dtype, device=self.device)]
        if self.sees_c[name] and c is not None:
            arguments.append(torch.as_tensor(np.eye(self.n_classes)[c], dtype=self.dtype, device=self.device))
        with torch.no_grad():
            return getattr(self.model, name)(*arguments)


def _n_arguments(function) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds for p in inspect.signature(function).parameters.values())
