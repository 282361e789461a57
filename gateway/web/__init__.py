"""Manners that the HTML and JSON faces share."""
