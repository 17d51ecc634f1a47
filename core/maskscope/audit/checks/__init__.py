"""The audit's checks, one module each; `registry` lists them."""
