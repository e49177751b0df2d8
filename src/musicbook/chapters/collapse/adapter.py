"""Any trained model as functions on arrays: ours, or a user's own object with `encode` and
`decode`.

Used by `battery.diagnose` and `transfer.swap` (pages "CVAE and posterior collapse" and "Collapse
in depth")."""

from __future__ import annotations

import inspect

import numpy as np
import torch


class Network:
    """Any object with `encode` and `decode` as functions on arrays, in evaluation mode and without
    gradients.

    `encode(x)` or `encode(x, c)` returns (mu, logvar), `decode(z)` or `decode(z, c)` the
    reconstruction; c is passed one-hot to those that take a second argument. A context: at its end
    a torch module is back in the mode it had. ValueError for a model without the two methods."""

    def __init__(self, model, n_classes: int):
        for name in ("encode", "decode"):
            if not callable(getattr(model, name, None)):
                raise ValueError(
                    f"The model has no {name}(); it needs encode(x, c) -> mu, logvar and "
                    "decode(z, c)."
                )
        self.model, self.n_classes = model, n_classes
        self.sees_c = {
            name: _n_arguments(getattr(model, name)) > 1 for name in ("encode", "decode")
        }
        self.training = bool(getattr(model, "training", False))
        self.device, self.dtype = torch.device("cpu"), torch.float32
        if isinstance(model, torch.nn.Module):
            weights = next(iter(model.parameters()), None)
            if weights is not None:
                self.device, self.dtype = weights.device, weights.dtype
            model.eval()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_) -> None:
        if isinstance(self.model, torch.nn.Module):
            self.model.train(self.training)

    @property
    def decoder_sees_c(self) -> bool:
        """Whether the decoder makes use of a condition: what the model says, else its arguments."""
        return bool(getattr(self.model, "decoder_sees_c", self.sees_c["decode"]))

    def encode(self, X: np.ndarray, c: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """X (n, D), c (n,) codes -> mu (n, d), logvar (n, d). ValueError when they are missing or
        not finite."""
        out = self._call("encode", X, c)
        if not (isinstance(out, tuple) and len(out) >= 2 and out[1] is not None):
            raise ValueError(
                "encode() must return (mu, logvar); a model without a posterior variance has no KL "
                "and cannot collapse."
            )
        mu, logvar = (np.asarray(torch.as_tensor(part).cpu(), dtype=float) for part in out[:2])
        if mu.shape != logvar.shape or mu.ndim != 2 or len(mu) != len(X):
            raise ValueError(
                f"encode() returned shapes {mu.shape} and {logvar.shape} for {len(X)} rows; both "
                "must be (n, d)."
            )
        usable = (np.isfinite(mu) & np.isfinite(logvar)).all(axis=1)
        if not usable.all():
            raise ValueError(
                f"encode() returned NaN or infinite values for {(~usable).sum()} of {len(X)} rows: "
                "the training diverged, or X is not scaled."
            )
        return mu, logvar

    def squared_errors(self, X: np.ndarray, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Squared error of the reconstruction of X (n, D) from z (n, d), (n, D)."""
        out = self.decode(z, c)
        if out.shape != X.shape or not np.isfinite(out).all():
            raise ValueError(
                f"decode() must return finite values of shape {X.shape}; it returned shape "
                f"{out.shape} with {(~np.isfinite(out)).sum()} NaN or infinite values."
            )
        return (out - X) ** 2

    def decode(self, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """z (n, d), c (n,) codes -> reconstruction (n, D)."""
        return np.asarray(torch.as_tensor(self._call("decode", z, c)).cpu(), dtype=float)

    def _call(self, name: str, first: np.ndarray, c: np.ndarray | None):
        arguments = [self._tensor(first)]
        if self.sees_c[name] and c is not None:
            arguments.append(self._tensor(np.eye(self.n_classes)[c]))
        with torch.no_grad():
            return getattr(self.model, name)(*arguments)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=self.dtype, device=self.device)


def _n_arguments(function) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds for p in inspect.signature(function).parameters.values())
