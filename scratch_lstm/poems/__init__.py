"""Poems: files, vocabulary, batches, the default corpus, and writing new ones."""

from .corpus import Corpus, process_poems
from .generate import generate
from .vocabulary import Vocabulary

__all__ = ["Corpus", "Vocabulary", "generate", "process_poems"]
