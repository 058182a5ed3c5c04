"""The YAML file: text with positions → validated models → core values."""
