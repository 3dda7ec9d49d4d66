"""Files that grow: which bytes of them are new, whatever happens to the files."""
