"""The dashboard: a Dash application over folders of results."""
