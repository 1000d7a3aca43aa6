"""The terms of the domain and their rules: states, errors, the state machine, transient and permanent failures."""
