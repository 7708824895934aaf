"""Writes the generated references: `docs/reference/` and `.env.example`, each from the declarations it is about."""
