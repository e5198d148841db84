"""The pages with figures: Today, and whether popups pay."""
