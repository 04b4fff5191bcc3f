"""Designed experiments that end in a table, figures and a sentence, and what is built of them."""
