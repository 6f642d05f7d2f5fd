"""The list page of cameras."""
