"""An issuer of tokens to develop against: it publishes its public key, and a command makes tokens.

Not for production: everybody who may run a command in its container can get a token of any source system.
"""
