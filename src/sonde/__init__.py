"""Sonde: deep learning you can use, see through and grow."""
