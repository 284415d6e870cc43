"""How the Spark jobs grow with their input, on a standalone cluster."""
