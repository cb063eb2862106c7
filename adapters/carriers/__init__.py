"""Channels: ways to hand a message to a carrier and to hear from it again. One file per dialect."""
