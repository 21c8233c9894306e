"""Data sources -> examples, splits, batches and neutral texts.

`files` names the local files of a source (light, for planning), `tables` and `data_sets` read them, `sources`
checks their rows, `classes` merges classes, `drawing` draws splits where the data has none, `transitions`, `splits`,
`batches`, `neutral` and `summary` make what they are called, and `preparation.prepare` joins them all.
"""
