"""Tracking settings, suggested and judged."""
