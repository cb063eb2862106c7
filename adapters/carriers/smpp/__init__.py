"""SMPP 3.4: the codec, texts and their parts, receipts, and what a carrier's words mean."""
