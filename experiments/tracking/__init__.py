"""The only place that knows MLflow: `open_recorder` (recorder.py) is the way in, TrackingError what goes wrong."""
