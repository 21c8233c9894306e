"""One small script per rule of the pipeline: paths and one JSON of settings in, files out."""
