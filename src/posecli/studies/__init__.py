"""Designed experiments that end in a table, figures and a recommendation; cost, demo and doctor."""
