"""Parts of inventory.py: collecting, rendering, comparing."""
