"""From a ranking to something shown: members, reasons, structure, pictures."""
