"""Parts of `benchmarks.ranking_speed`: the worker that times one library, and the others' environment."""
