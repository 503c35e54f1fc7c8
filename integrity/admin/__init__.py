"""The admin pages of recovery and proof."""
