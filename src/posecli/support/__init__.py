"""What every room uses: files, text, YAML, hardware, plain results, the style of figures."""
