"""One use case a module; each joins the packages below it."""
