"""The Python API of the argument guide, over the same stage functions as the pipeline."""
