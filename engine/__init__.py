"""What the SMS delivery engine *is*: values, rules, ports and use cases.

Nothing here opens a socket, reads a clock or knows a library of the outside. Read it in this order:
`message` (what a producer asks for), the pure rules `compose`, `segments`, `limits`, `routing`, `health`,
`receipts`, then `ports` (what the engine needs of the world) and `deliver`: one message, from queue to receipt.
"""
