"""Functions behind `PassageIndex`: build, answer and change one opened version."""
