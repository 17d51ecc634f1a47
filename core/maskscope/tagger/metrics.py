"""Token and entity scores over real, labelled tokens only: the names that the rest of the program uses.

What each figure means and how it is found: `scores` (tokens), `spans` (entities), `calibration`, `curves`, and
`evaluation`, which puts them together.
"""

from maskscope.tagger.evaluation import Evaluation, PaddedFigures, evaluate
from maskscope.tagger.scores import ClassScores
from maskscope.tagger.spans import Entity, EntityScores, SpanScores, entities, entity_rule

__all__ = [
    "ClassScores",
    "Entity",
    "EntityScores",
    "Evaluation",
    "PaddedFigures",
    "SpanScores",
    "entities",
    "entity_rule",
    "evaluate",
]
