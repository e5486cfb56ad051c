"""Speed and accuracy against peers, references and this machine's own limits. `python -m bench` runs all of it."""
