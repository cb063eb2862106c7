"""What other services, carriers and operators may ask of us over HTTP: one server, a file per kind of question."""
