"""Searches a space of settings, trial by trial, and writes down all of it. The only place that imports keras-tuner."""
