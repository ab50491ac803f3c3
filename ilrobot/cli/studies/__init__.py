"""The studies: each module has ``run(file)``, which prints a table, writes a page, returns JSON."""
