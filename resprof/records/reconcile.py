"""What another tool reports for a network, and how its figure arises from our multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a difference, named in words; negative where the tool counts less than we do."""

    name: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFigure:
    """One tool's figure for one network: one image, forward, eval mode.

    ``calls_it`` is the tool's own word for what it counts and ``convention`` one line on what that
    is. ``value`` is the exact number it reports and ``printed`` how it shows that. ``value`` is
    ``per_mac`` times our multiply-adds plus all ``terms``; a term that is zero is left out.
    Where the tool has no figure, ``value`` and ``printed`` are None and ``reason`` says why.
    """

    tool: str
    calls_it: str
    convention: str
    value: int | None
    printed: str | None
    per_mac: int
    terms: tuple[Term, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchvisionMetadata:
    """What torchvision states about its pretrained weights of a network.

    ``name`` is its function, ``gflops`` the digits of ``_ops`` in its metadata (multiply-adds in
    10^9, three decimals) and ``params`` its ``num_params``.
    """

    name: str
    gflops: str
    params: int
