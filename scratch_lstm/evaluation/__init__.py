"""How good is a model: its likelihood of poems that it has not seen, beside n-grams, and what it writes."""
