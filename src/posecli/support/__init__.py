"""What every room uses: files, text, YAML, hardware, results as plain values, the style of figures and pages."""
