"""What readers share: numbers out of text, tables, streams and stores, checked on the way."""
