"""One small script per rule of the pipeline: paths and one JSON of settings in, files out."""

import gc
import sys

# In `python -m gradiend.stages.X`, whose argv[0] is still "-m" here: imports make objects and no garbage, and to look
# for it again and again took a third of a job's start. `gradiend.stages.command` turns it on again.
if sys.argv[0] == "-m":
    gc.disable()
