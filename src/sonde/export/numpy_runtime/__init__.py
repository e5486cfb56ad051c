"""What an exported folder runs: the graph, its operations and the preprocessing, on NumPy and the standard library alone.

The folder is copied beside `predict.py` as it is, so nothing here imports from outside it (Pillow is tried, for picture files).
"""
