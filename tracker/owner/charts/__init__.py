"""Charts as SVG made by the server: each in a wide and a narrow form, so that letters keep their size on a phone."""
