"""Figures of a run: tables in, matplotlib Figures out, SVG text on request (`svg`)."""

from gradiend.plots_decoder import decoder_grid, probability_shift
from gradiend.plots_encoder import MOST_POINTS, encoded_values
from gradiend.plots_style import GRID, INK, PALE, PALETTE, WIDTH, colours, styled, svg
from gradiend.plots_training import convergence, seeds
from gradiend.plots_weights import kept_entries, update_shares

__all__ = [
    "GRID",
    "INK",
    "MOST_POINTS",
    "PALE",
    "PALETTE",
    "WIDTH",
    "colours",
    "convergence",
    "decoder_grid",
    "encoded_values",
    "kept_entries",
    "probability_shift",
    "seeds",
    "styled",
    "svg",
    "update_shares",
]
