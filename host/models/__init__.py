"""The models an operator lets guests load by name, and how each is run; compiles none itself."""
