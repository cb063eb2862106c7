"""A carrier to rehearse with: an SMPP 3.4 server and an HTTP API before one and the same scripted behaviour."""
