"""A small web shop's background work: orders, payments, pictures, mail, reports."""
