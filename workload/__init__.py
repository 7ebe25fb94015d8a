"""The shared language: what people intend, what happened, and how it is judged. Pure."""
