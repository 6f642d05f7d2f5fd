"""Frame in px to tracks in um. The only room where px_to_um is applied. Floor 2."""
