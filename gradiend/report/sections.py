"""The parts of a report's page: one question a part, with its figures and its tables."""

from dataclasses import dataclass

from gradiend.report import controls, pictures, tables, tables_data, tables_head, tables_provenance, tables_weights
from gradiend.report.inputs import Inputs
from gradiend.report.picture import Picture
from gradiend.report.sentences import typical
from gradiend.report.table import Table


@dataclass(frozen=True)
class Section:
    """`anchor` is where a link leads, `name` what it says there. The tables in `folded` open on a click."""

    anchor: str
    name: str
    title: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()


def sections(inputs: Inputs) -> list[Section]:
    """In the order in which a reader asks."""
    of_controls = (controls.table(inputs),) if inputs.controls else ()
    return [
        Section(
            "encoder",
            "Encoder",
            "What was learnt?",
            tuple(pictures.of_encoder(inputs)),
            (typical(inputs),),
            (tables.scores(inputs), *of_controls, tables.encoded_values(inputs)),
        ),
        Section(
            "decoder",
            "Rewrite",
            "What changes in the model's behaviour?",
            tuple(pictures.of_decoder(inputs)),
            (tables.choices(inputs),),
            (tables.probabilities(inputs), tables.rewritten(inputs)),
        ),
        Section(
            "weights",
            "Weights",
            "Where in the model does it sit?",
            tuple(pictures.of_weights(inputs)),
            (tables_weights.largest_entries(inputs),),
            (tables_weights.kept_entries(inputs),),
        ),
        Section(
            "trust",
            "Trust",
            "Can it be trusted?",
            tuple(pictures.of_training(inputs)),
            (tables.seeds(inputs), *tables_head.tables(inputs), tables_provenance.warnings(inputs)),
        ),
        Section(
            "data",
            "Data",
            "What data is it from?",
            tables=(tables_data.examples(inputs), tables_data.surface_forms(inputs), tables_data.dropped(inputs)),
        ),
        Section(
            "provenance",
            "Provenance",
            "What made it, and what did it cost?",
            tables=(tables_provenance.times(inputs),),
            folded=(tables_provenance.provenance(inputs),),
        ),
    ]
