"""The parts of the engine that speaks Anthropic's Messages API."""
