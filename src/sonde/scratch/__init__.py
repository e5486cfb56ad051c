"""Deep learning on NumPy alone: each algorithm once more, in the fewest honest lines, in the file named after it.

Begin with `tensor.py` (arrays that record what is done to them), then `rules.py` (every operation with its derivative).
Nothing here imports anything but NumPy and its neighbours, so it runs where there is no PyTorch.
"""
