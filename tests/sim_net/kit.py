"""What tests of worlds share."""

from models.scripted import ScriptedModel

MODEL = ScriptedModel()
END_MS = 900_000
