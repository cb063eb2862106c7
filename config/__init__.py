"""What an operator decides: types and checks in `settings`, every key with its default in `default.toml`."""
