"""The commands of the host, a module each: its arguments, its help, what it prints."""
