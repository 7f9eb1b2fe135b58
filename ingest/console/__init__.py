"""The console: pages by which an operator sees and operates the pipeline."""
