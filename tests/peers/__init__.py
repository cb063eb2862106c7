"""SMPP peers that others wrote, each private and on a free loopback port: see `tests/integration/test_smpp_peer_*`."""

#: Debian's packages by a command of each; Python's are in tests/requirements.txt, and node's in tests/peers/node
COMMANDS = {"bearerbox": "kannel", "node": "nodejs", "npm": "npm"}
