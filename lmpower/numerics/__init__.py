"""What the theory is computed with: log Beta and quadrature, grids, Newton's ascent, and the precision."""
