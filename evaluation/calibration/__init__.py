"""What a model is worth as answerer and judge, measured on questions with known truth."""
