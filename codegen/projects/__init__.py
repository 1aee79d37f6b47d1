"""New guest projects: `wasinn-gen new`."""
