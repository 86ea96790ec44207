"""An assistant that answers customers: a plan, tools, a person's approval; one run per question."""
